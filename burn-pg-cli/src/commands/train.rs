//! `burn-pg train`

use std::{fmt, ops::ControlFlow, path::PathBuf, time::Instant};

use anyhow::Result;
use burn_pg::{
    CheckedConfig, Config, DeviceChoice, Error, Evaluation, Trainer, UpdateStats,
    algorithm::{configured, evaluation_envs},
    burn::module::Module,
    device::{self, OpenDevice},
    envs::{VectorEnv, make},
    evaluate,
    policy::MlpActorCritic,
    run_dir::RunDir,
    weights,
};
use serde_json::json;

use crate::{
    commands::plan::refuse_what_does_not_fit,
    failure::Failure,
    output::print_line,
    progress::Progress,
    settings::{Resolved, Settings},
};

/// Where runs go that are not told where.
const RUNS: &str = "runs";

/// Train an agent, evaluate it, and keep everything in a run directory
#[derive(clap::Args)]
#[command(override_usage = "burn-pg train <ENV> [OPTIONS]")]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Run directory: empty or not there yet [default: a new one in runs/]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the summary as one JSON object on the last line of stdout, and nothing else there
    #[arg(long)]
    json: bool,
    /// Show neither progress nor, without --json, the outcome
    #[arg(long)]
    quiet: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let run = prepare(args).map_err(Failure::Usage)?;
    let outcome = run.execute(args.quiet).map_err(Failure::Run)?;
    match (args.json, args.quiet) {
        (true, _) => print_line(outcome.summary()),
        (false, false) => print_line(outcome),
        (false, true) => Ok(()),
    }
}

/// Everything that a run needs, checked and ready.
struct Run {
    config: CheckedConfig,
    device: OpenDevice,
    trainer: Trainer<MlpActorCritic>,
    /// To play the evaluation in.
    fresh_envs: Box<dyn VectorEnv>,
    pool: rayon::ThreadPool,
    dir: RunDir,
}

/// Refuses what cannot be before anything is trained or written.
fn prepare(args: &Args) -> Result<Run> {
    let Resolved { config, preset } = args.settings.resolve()?;
    let device = device::open(config.device)?;
    let config = Config { device: DeviceChoice::Backend(device.backend), ..(*config).clone() }.validate()?;
    refuse_what_does_not_fit(&args.settings, &config, true)?;
    let trainer = configured(&config, &device.device)?;
    let fresh_envs = make(&config.env, config.eval_episodes)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(config.threads).build()?;
    let dir = match &args.out {
        Some(path) => RunDir::create(path)?,
        None => {
            let name = format!("{}-{}-seed{}", config.env, config.algo, config.seed);
            RunDir::create_numbered(RUNS.as_ref(), &name)?
        }
    };
    dir.write_config(&config)?;
    if !args.quiet {
        let Config { env, algo, seed, .. } = &*config;
        eprintln!(
            "{env}, {algo} ({preset}), device {}, seed {seed}, run directory {}",
            device.backend,
            dir.path().display()
        );
    }
    Ok(Run { config, device, trainer, fresh_envs, pool, dir })
}

impl Run {
    /// Trains and evaluates within the pool, so that stepping environments in parallel does not wake it each time.
    fn execute(self, quiet: bool) -> Result<Outcome> {
        let Self { config, device, mut trainer, fresh_envs, pool, dir } = self;
        pool.install(|| {
            let start = Instant::now();
            let progress = Progress::new(trainer.horizon(), quiet);
            let trained = train(&mut trainer, &dir, progress);
            let seconds = start.elapsed().as_secs_f64();
            trained.map_err(|error| rescue(error, &trainer, &dir))?;

            save(&trainer, &dir)?;
            let normalizer = trainer.observation_normalizer().cloned();
            let fresh_envs = evaluation_envs(fresh_envs, &config, normalizer)?;
            let evaluation = evaluate(&trainer.policy().valid(), fresh_envs, config.seed, false, &device.device)?;
            let outcome = Outcome { config, device, trainer, dir, seconds, evaluation };
            outcome.dir.write_summary(&outcome.summary())?;
            Ok(outcome)
        })
    }
}

/// Trains to the end, and shows and records each update.
fn train(trainer: &mut Trainer<MlpActorCritic>, dir: &RunDir, mut progress: Progress) -> Result<()> {
    let mut metrics = dir.metrics()?;
    let mut written = Ok(());
    let outcome = trainer.run(&mut |stats: &UpdateStats| {
        progress.show(stats);
        written = metrics.write(stats);
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    progress.finish();
    outcome?;
    Ok(written?)
}

/// Keeps the policy, and what it needs to see as it saw in training.
fn save(trainer: &Trainer<MlpActorCritic>, dir: &RunDir) -> Result<()> {
    weights::save(&trainer.policy().valid(), &dir.policy_path())?;
    if let Some(normalizer) = trainer.observation_normalizer() {
        dir.write_normalizer(normalizer)?;
    }
    Ok(())
}

/// Keeps what was learnt before training failed, and says so.
fn rescue(error: anyhow::Error, trainer: &Trainer<MlpActorCritic>, dir: &RunDir) -> anyhow::Error {
    let steps = trainer.env_steps();
    // A device that fails may leave anything behind, and its error does not say where.
    if let Some(Error::Execution(_)) = error.downcast_ref() {
        return error.context(format!("training failed in update {}, after {steps} steps", trainer.updates()));
    }
    let failed = format!("training failed after {steps} steps");
    let (saved, path) = (save(trainer, dir), dir.path().display());
    error.context(match saved {
        Ok(()) => format!("{failed}; the last good policy is saved in {path}"),
        Err(unsaved) => format!("{failed}, and the last good policy is lost ({unsaved:#})"),
    })
}

/// A run that has come to its end.
struct Outcome {
    config: CheckedConfig,
    device: OpenDevice,
    trainer: Trainer<MlpActorCritic>,
    dir: RunDir,
    seconds: f64,
    evaluation: Evaluation,
}

impl Outcome {
    fn summary(&self) -> serde_json::Value {
        let env_steps = self.trainer.env_steps();
        json!({
            "env": self.config.env,
            "algo": self.config.algo,
            "device": self.device.backend,
            "seed": self.config.seed,
            "env_steps": env_steps,
            "train_seconds": self.seconds,
            "steps_per_second": env_steps as f64 / self.seconds,
            "episodes": self.trainer.episodes().count(),
            "train_return_mean": self.trainer.episodes().return_mean(),
            "eval_episodes": self.evaluation.returns.len(),
            "eval_return_mean": self.evaluation.return_mean(),
            "eval_return_std": self.evaluation.return_std(),
            "run_dir": self.dir.path().to_string_lossy(),
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (env_steps, Self { seconds, evaluation, .. }) = (self.trainer.env_steps(), self);
        write!(
            f,
            "trained {env_steps} steps in {seconds:.1} s ({:.0} steps/s)\n\
             evaluation: mean return {:.1}, standard deviation {:.1}, {} episodes\n\
             saved in {}",
            env_steps as f64 / seconds,
            evaluation.return_mean(),
            evaluation.return_std(),
            evaluation.returns.len(),
            self.dir.path().display(),
        )
    }
}
