//! `burn-pg envs`

use burn_pg::envs::specs;

use crate::{failure::Failure, output::print_line};

/// List the environments, with their spaces, time limits in steps, and the mean returns that solve them
#[derive(clap::Args)]
pub struct Args {
    /// Print their specifications as one JSON array
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let specs = specs();
    if args.json {
        print_line(serde_json::to_string(&specs).map_err(Failure::run)?)?;
        return Ok(());
    }
    let text = |value: Option<String>| value.unwrap_or_else(|| "-".into());
    print_line(format_args!(
        "{:<28} {:<14} {:<14} {:>10} {:>10}",
        "environment", "observations", "actions", "time limit", "threshold"
    ))?;
    for spec in specs {
        print_line(format_args!(
            "{:<28} {:<14} {:<14} {:>10} {:>10}",
            spec.id,
            spec.observation_space.to_string(),
            spec.action_space.to_string(),
            text(spec.max_episode_steps.map(|steps| steps.to_string())),
            text(spec.reward_threshold.map(|threshold| threshold.to_string())),
        ))?;
    }
    Ok(())
}
