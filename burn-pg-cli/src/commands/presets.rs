//! `burn-pg presets`

use burn_pg::{Config, policy::EncoderSpec};
use serde_json::json;

use crate::{failure::Failure, numbers::grouped, output::print_line, presets, program};

/// List the presets: named hyperparameters, each for an algorithm and some for an environment
#[derive(clap::Args)]
pub struct Args {
    /// Print them as one JSON array, with all their settings
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    if args.json {
        let all =
            presets::all().map(|(name, about, settings)| json!({ "name": name, "about": about, "settings": settings }));
        return print_line(json!(all.collect::<Vec<_>>()));
    }
    print_line(row("preset", "environment", "algorithm", "steps"))?;
    for (name, _, settings) in presets::all() {
        let config = Config::from_table(settings).map_err(Failure::run)?;
        let (algo, steps) = (config.algorithm.algo().name(), grouped(config.run.total_steps));
        print_line(row(name, &environment(name, &config), algo, &steps))?;
    }
    let [settings, about] = ["config ENV --preset NAME", "presets --json"].map(program::command);
    print_line(format_args!("\n`{settings}` shows the settings of one,\n`{about}` what each is for"))
}

/// Returns a line of the table, of at most 80 characters.
fn row(name: &str, environment: &str, algo: &str, steps: &str) -> String {
    format!("{name:<29}  {environment:<24}  {algo:<9}  {steps:>10}")
}

/// Returns the environment that a preset is tuned for, or the kind of environments that it is for.
fn environment(name: &str, config: &Config) -> String {
    match (presets::env_of(name), &config.network.encoder) {
        (Some(env), _) => env,
        (None, EncoderSpec::Cnn { .. }) => "any with images".into(),
        (None, EncoderSpec::None {}) => "any".into(),
    }
}
