//! `burn-pg train`

use std::{ops::ControlFlow, path::PathBuf, time::Instant};

use anyhow::Result;
use burn::module::Module;
use burn_pg::{
    CheckedConfig, Config, DeviceChoice, Evaluation, Trainer, UpdateStats,
    algorithm::ppo,
    config::Algo,
    device::{self, OpenDevice},
    envs::make,
    evaluate,
    policy::MlpActorCritic,
    run_dir::RunDir,
    weights,
};
use serde_json::json;

use crate::{failure::Failure, progress::Progress, settings::Settings};

/// Where runs go that are not told where.
const RUNS: &str = "runs";

/// Train an agent, evaluate it, and keep everything in a run directory
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Run directory: empty or not there yet [default: a new one in runs/]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the summary as one JSON object on the last line of stdout, and nothing else there
    #[arg(long)]
    json: bool,
    /// Show no progress
    #[arg(long)]
    quiet: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let mut run = prepare(args).map_err(Failure::Usage)?;
    // Within the pool, so that stepping the environments in parallel does not have to wake it each time.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(run.config.threads).build().map_err(Failure::run)?;
    let summary = pool.install(|| run.train(args.quiet)).map_err(Failure::Run)?;
    if args.json {
        println!("{summary}");
    } else if !args.quiet {
        println!(
            "trained {} for {} steps in {:.1} s ({:.0} steps/s)\n\
             evaluation: mean return {:.1}, standard deviation {:.1}, {} episodes\n\
             saved in {}",
            run.config.env,
            summary["env_steps"],
            summary["train_seconds"].as_f64().unwrap_or_default(),
            summary["steps_per_second"].as_f64().unwrap_or_default(),
            summary["eval_return_mean"].as_f64().unwrap_or_default(),
            summary["eval_return_std"].as_f64().unwrap_or_default(),
            summary["eval_episodes"],
            run.dir.path().display(),
        );
    }
    Ok(())
}

/// Everything that a run needs, checked and ready.
struct Run {
    config: CheckedConfig,
    device: OpenDevice,
    trainer: Trainer<MlpActorCritic>,
    dir: RunDir,
}

/// Refuses what cannot be before anything is trained or written.
fn prepare(args: &Args) -> Result<Run> {
    let config = args.settings.resolve()?;
    let device = device::open(config.device)?;
    let config = Config { device: DeviceChoice::Backend(device.backend), ..(*config).clone() }.validate()?;
    let trainer = match config.algo {
        Algo::Ppo => ppo(&config, &device.device)?,
        other => anyhow::bail!("algorithm `{other}` cannot be run from the command line"),
    };
    let dir = match &args.out {
        Some(path) => RunDir::create(path)?,
        None => {
            let name = format!("{}-{}-seed{}", config.env, config.algo, config.seed);
            RunDir::create_numbered(RUNS.as_ref(), &name)?
        }
    };
    dir.write_config(&config)?;
    Ok(Run { config, device, trainer, dir })
}

impl Run {
    fn train(&mut self, quiet: bool) -> Result<serde_json::Value> {
        let mut progress = Progress::new(self.config.total_steps, quiet);
        let mut metrics = self.dir.metrics()?;
        let mut written = Ok(());
        let start = Instant::now();
        let trained = self.trainer.run(&mut |stats: &UpdateStats| {
            progress.show(stats);
            written = metrics.write(stats);
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        let seconds = start.elapsed().as_secs_f64();
        progress.finish();
        trained?;
        written?;

        let policy = self.trainer.policy().valid();
        weights::save(&policy, &self.dir.policy_path())?;
        let envs = make(&self.config.env, self.config.eval_episodes)?;
        let evaluation = evaluate(&policy, envs, self.config.seed, false, &self.device.device)?;
        let summary = self.summary(seconds, &evaluation);
        self.dir.write_summary(&summary)?;
        Ok(summary)
    }

    fn summary(&self, train_seconds: f64, evaluation: &Evaluation) -> serde_json::Value {
        let env_steps = self.trainer.env_steps();
        json!({
            "env": self.config.env,
            "algo": self.config.algo,
            "device": self.device.backend,
            "seed": self.config.seed,
            "env_steps": env_steps,
            "train_seconds": train_seconds,
            "steps_per_second": env_steps as f64 / train_seconds,
            "episodes": self.trainer.episodes().count(),
            "train_return_mean": self.trainer.episodes().return_mean(),
            "eval_episodes": evaluation.returns.len(),
            "eval_return_mean": evaluation.return_mean(),
            "eval_return_std": evaluation.return_std(),
            "run_dir": self.dir.path().to_string_lossy(),
        })
    }
}
