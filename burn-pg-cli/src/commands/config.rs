//! `burn-pg config`

use std::path::PathBuf;

use burn_pg::config::annotated;

use crate::{
    failure::Failure,
    new_file::check_new_file,
    output::{print_line, replace_file},
    program,
    registry::Registry,
    settings::Settings,
};

/// Print every setting that a run would have, with its meaning, range and default, and where its value comes from
///
/// The output is TOML that `train --config` reads. The default
/// environment is CartPole-v1, and the default preset is that of `train`.
#[derive(clap::Args)]
#[command(override_usage = program::command("config [ENV] [OPTIONS]"))]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Write to this file, such as my.toml [default: stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace a file that exists
    #[arg(long)]
    force: bool,
}

pub fn run(args: &Args, registry: &Registry) -> Result<(), Failure> {
    let resolved = args.settings.clone().in_env("CartPole-v1").resolve(registry).map_err(Failure::Usage)?;
    let text = annotated(&resolved.config, &resolved.layers);
    match &args.out {
        None => print_line(text.trim_end()),
        Some(path) => {
            check_new_file("settings", "my.toml", path, &[], args.force).map_err(Failure::Usage)?;
            replace_file(path, text.trim_end()).map_err(Failure::Run)?;
            print_line(format_args!("saved in {}", path.display()))
        }
    }
}
