//! `burn-pg eval`

use std::{path::PathBuf, str::FromStr};

use anyhow::{Result, bail};
use burn_pg::{
    CheckedConfig, DeviceChoice, Error,
    algorithm::evaluation_envs,
    checkpoint::Checkpoint,
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
    /// Evaluate the policy of a checkpoint: that of an update, or the `best` one [default: the policy at the end of the run]
    #[arg(long, value_name = "UPDATE|best")]
    at: Option<At>,
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

/// A checkpoint of a run.
#[derive(Debug, Clone, Copy)]
enum At {
    Update(u64),
    Best,
}

impl FromStr for At {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "best" => Ok(Self::Best),
            number => number.parse().map(Self::Update).map_err(|_| "expected the number of an update, or best"),
        }
    }
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let agent = load(args).map_err(Failure::refused)?;
    let seed = args.seed.unwrap_or(agent.config.seed);
    let device = &agent.device.device;
    let evaluation = evaluate(&agent.policy, agent.envs, seed, args.stochastic, device).map_err(Failure::of)?;
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
    let checkpoint = args.at.map(|at| checkpoint(&dir, at)).transpose()?;
    let config = dir.config()?.validate()?;
    let device = device::open(args.device)?;
    let normalizer = match &checkpoint {
        Some(checkpoint) => checkpoint.observation_normalizer().cloned(),
        None => config.normalize_observations.then(|| dir.normalizer()).transpose()?,
    };
    let envs = evaluation_envs(make(&config.env, args.episodes as usize)?, &config, normalizer)?;
    // Every weight is replaced by the saved one, so it does not matter which stream draws them.
    let rng = &mut EnvRng::new(0);
    let policy = MlpActorCritic::new(envs.spec(), &config.mlp_shape(), rng, &device.device);
    let policy = policy.map_err(Error::from)?;
    let policy = match checkpoint {
        Some(checkpoint) => checkpoint.load_policy(policy)?,
        None => weights::load(policy, &dir.policy_path())?,
    };
    Ok(Agent { config, device, policy, envs })
}

fn checkpoint(dir: &RunDir, at: At) -> Result<Checkpoint> {
    let checkpoints = dir.checkpoints();
    let update = match at {
        At::Update(update) => update,
        At::Best => match checkpoints.best()? {
            Some(best) => best.update,
            None => bail!("no checkpoint of {} was evaluated (`checkpoint.eval_episodes`)", dir.path().display()),
        },
    };
    Ok(checkpoints.load(update)?)
}
