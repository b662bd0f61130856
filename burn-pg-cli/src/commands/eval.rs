//! `burn-pg eval`

use anyhow::Result;
use burn_pg::{
    CheckedConfig, DeviceChoice,
    device::{self, OpenDevice},
    envs::VectorEnv,
    evaluation_envs,
};
use serde_json::json;

use crate::{
    commands::agent::{AgentArgs, AnyAgent},
    failure::Failure,
    numbers::whole,
    output::print_line,
    progress::EvalProgress,
    registry::Registry,
};

/// Evaluate the agent of a run directory over fresh episodes
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    agent: AgentArgs,
    /// Play this number of episodes, all at once
    #[arg(long, value_name = "N", default_value_t = 100, allow_negative_numbers = true, value_parser = whole::<u32>(1..=1_048_576, 100))]
    episodes: u32,
    /// Seed the episodes with this number [default: the seed of the run]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u64>(0..=u64::MAX, 7))]
    seed: Option<u64>,
    /// Sample actions instead of taking the most probable ones
    #[arg(long)]
    stochastic: bool,
    /// Run the networks on this device; `devices` lists them [default: auto]
    #[arg(long, default_value = "auto", hide_default_value = true)]
    device: DeviceChoice,
    /// Print the outcome as one line of JSON, and nothing else, on stdout
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args, registry: &Registry) -> Result<(), Failure> {
    let Evaluated { config, device, agent, envs, episodes } = load(args, registry).map_err(Failure::refused)?;
    let seed = args.seed.unwrap_or(config.run.seed);
    let mut progress = EvalProgress::new(episodes, false);
    let evaluation = agent.evaluate(envs, episodes, seed, args.stochastic, &mut |ended| progress.step(ended));
    progress.finish();
    let evaluation = evaluation.map_err(Failure::of)?;
    if args.json {
        let outcome = json!({
            "env": agent.spec().id,
            "algo": config.algorithm.algo(),
            "device": device.backend,
            "seed": seed,
            "stochastic": args.stochastic,
            "eval_episodes": evaluation.returns.len(),
            "eval_return_mean": evaluation.return_mean(),
            "eval_return_std": evaluation.return_std(),
            "eval_length_mean": evaluation.length_mean(),
            "run_dir": args.agent.run_dir.to_string_lossy(),
        });
        print_line(&outcome)?;
    } else {
        print_line(format_args!(
            "{}: mean return {:.1}, standard deviation {:.1}, mean length {:.1}, {} episodes",
            agent.spec().id,
            evaluation.return_mean(),
            evaluation.return_std(),
            evaluation.length_mean(),
            evaluation.returns.len(),
        ))?;
    }
    Ok(())
}

/// An agent, and the environments to evaluate it in.
struct Evaluated {
    config: CheckedConfig,
    device: OpenDevice,
    agent: Box<dyn AnyAgent>,
    envs: Box<dyn VectorEnv>,
    episodes: usize,
}

fn load(args: &Args, registry: &Registry) -> Result<Evaluated> {
    let device = device::open(args.device)?;
    let (config, agent) = args.agent.open(registry, &device.device)?;
    let episodes = args.episodes as usize;
    let envs = agent.make_envs(evaluation_envs(&agent.spec().id, episodes))?;
    Ok(Evaluated { config, device, agent, envs, episodes })
}
