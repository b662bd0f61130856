//! `burn-pg eval`

use std::path::PathBuf;

use anyhow::Result;
use burn_pg::{
    CheckedConfig, DeviceChoice, Error,
    algorithm::evaluation_envs,
    device::{self, OpenDevice},
    envs::{EnvRng, VectorEnv, make},
    evaluate,
    policy::MlpActorCritic,
    run_dir::RunDir,
    weights,
};
use serde_json::json;

use crate::{failure::Failure, output::print_line};

/// Evaluate the agent of a run directory over fresh episodes
#[derive(clap::Args)]
pub struct Args {
    /// Run directory that `burn-pg train` has written
    run_dir: PathBuf,
    /// Episodes to play
    #[arg(long, value_name = "N", default_value_t = 100, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    episodes: u32,
    /// Seed of the episodes [default: the seed of the run]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    seed: Option<u64>,
    /// Sample actions instead of taking the most probable ones
    #[arg(long)]
    stochastic: bool,
    /// Where the networks run [default: auto]
    #[arg(long, default_value = "auto", hide_default_value = true)]
    device: DeviceChoice,
    /// Print the outcome as one JSON object on the last line of stdout, and nothing else there
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let agent = load(args).map_err(Failure::Usage)?;
    let seed = args.seed.unwrap_or(agent.config.seed);
    let device = &agent.device.device;
    let evaluation = evaluate(&agent.policy, agent.envs, seed, args.stochastic, device).map_err(Failure::run)?;
    if args.json {
        let outcome = json!({
            "env": agent.config.env,
            "algo": agent.config.algo,
            "device": agent.device.backend,
            "seed": seed,
            "stochastic": args.stochastic,
            "eval_episodes": evaluation.returns.len(),
            "eval_return_mean": evaluation.return_mean(),
            "eval_return_std": evaluation.return_std(),
            "eval_length_mean": evaluation.length_mean(),
            "run_dir": args.run_dir.to_string_lossy(),
        });
        print_line(&outcome)?;
    } else {
        print_line(format_args!(
            "{}: mean return {:.1}, standard deviation {:.1}, mean length {:.1}, {} episodes",
            agent.config.env,
            evaluation.return_mean(),
            evaluation.return_std(),
            evaluation.length_mean(),
            evaluation.returns.len(),
        ))?;
    }
    Ok(())
}

/// A trained policy with what it needs to play.
struct Agent {
    config: CheckedConfig,
    device: OpenDevice,
    policy: MlpActorCritic,
    envs: Box<dyn VectorEnv>,
}

fn load(args: &Args) -> Result<Agent> {
    let dir = RunDir::open(&args.run_dir);
    let config = dir.config()?.validate()?;
    let device = device::open(args.device)?;
    let normalizer = config.normalize_observations.then(|| dir.normalizer()).transpose()?;
    let envs = evaluation_envs(make(&config.env, args.episodes as usize)?, &config, normalizer)?;
    // Every weight is replaced by the saved one, so it does not matter which stream draws them.
    let rng = &mut EnvRng::new(0);
    let policy = MlpActorCritic::new(envs.spec(), &config.mlp_shape(), rng, &device.device);
    let policy = weights::load(policy.map_err(Error::from)?, &dir.policy_path())?;
    Ok(Agent { config, device, policy, envs })
}
