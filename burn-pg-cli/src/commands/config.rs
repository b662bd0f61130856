//! `burn-pg config`

use burn_pg::config::annotated;

use crate::{failure::Failure, output::print_line, program, registry::Registry, settings::Settings};

/// Print every setting that a run would have, with its meaning, range and default, and where its value comes from
///
/// The output is TOML that `train --config` reads: `config CartPole-v1 > my.toml`. The default
/// environment is CartPole-v1, and the default preset is that of `train`.
#[derive(clap::Args)]
#[command(override_usage = program::command("config [ENV] [OPTIONS]"))]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
}

pub fn run(args: &Args, registry: &Registry) -> Result<(), Failure> {
    let resolved = args.settings.clone().in_env("CartPole-v1").resolve(registry).map_err(Failure::Usage)?;
    print_line(annotated(&resolved.config, &resolved.layers).trim_end())
}
