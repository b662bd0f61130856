//! `burn-pg train`

mod session;

use std::{fmt, path::PathBuf, time::Instant};

use anyhow::{Error, Result, bail};
use burn_pg::{
    CheckedConfig, Config, Evaluation, Trainer,
    algorithm::{configured, evaluation_envs},
    burn::module::Module,
    device::OpenDevice,
    envs::{VectorEnv, make},
    evaluate,
    kernel::with_threads,
    policy::ActorCritic,
    run::directory::{MetricsFile, RunDir, RunLock},
};
use serde_json::json;

use crate::{
    commands::{newest::newest, plan::refuse_what_does_not_fit},
    failure::Failure,
    interrupt::Interrupt,
    output::{print_line, tell},
    progress::Progress,
    settings::{Resolved, Settings, with_open_device},
};
use session::{Session, how_to_go_on};

/// Where runs go that are not told where.
const RUNS: &str = "runs";

/// Train an agent, evaluate it, and keep everything in a run directory
#[derive(clap::Args)]
#[command(
    override_usage = "burn-pg train <ENV> [OPTIONS]\n       burn-pg train --resume <RUN_DIR> [OPTIONS]",
    after_help = "Exit codes: 0 for success, 1 if the run fails, 2 if it is refused before anything is trained, 3 if the device \
                  fails, 130 and 143 if it is interrupted (Ctrl-C, SIGTERM) and can be resumed."
)]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Run directory: empty or not there yet [default: a new one in runs/]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with an earlier run from its newest checkpoint. Of all settings only --threads, --device and --total-steps may be
    /// given with it
    #[arg(long, value_name = "RUN_DIR", conflicts_with_all = ["env", "algo", "preset", "config", "set", "seed", "out"])]
    resume: Option<PathBuf>,
    /// With --resume: go on from the checkpoint of this update
    #[arg(long, value_name = "UPDATE")]
    at: Option<u64>,
    /// Begin even if the memory plan says that the run does not fit into the memory that is available
    #[arg(long)]
    ignore_memory: bool,
    /// Print the summary as one JSON object on the last line of stdout, and nothing else there
    #[arg(long)]
    json: bool,
    /// Show neither progress nor, without --json, the outcome
    #[arg(long)]
    quiet: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let run = match &args.resume {
        Some(path) => resume(args, RunDir::open(path))?,
        None => begin(args).map_err(Failure::refused)?,
    };
    let outcome = run.execute(args.quiet)?;
    match (args.json, args.quiet) {
        (true, _) => print_line(outcome.summary()),
        (false, false) => print_line(outcome),
        (false, true) => Ok(()),
    }
}

/// What a run is made of, checked and ready.
struct Parts {
    config: CheckedConfig,
    device: OpenDevice,
    trainer: Trainer<ActorCritic>,
    /// To play the evaluation in.
    fresh_envs: Box<dyn VectorEnv>,
}

impl Parts {
    /// Touches nothing.
    fn of(config: &CheckedConfig, ignore_memory: bool) -> Result<Self> {
        let (config, device) = with_open_device(config)?;
        refuse_what_does_not_fit(ignore_memory, &config, true)?;
        let trainer = configured(&config, &device.device)?;
        let fresh_envs = make(&config.env, config.eval_episodes)?;
        Ok(Self { config, device, trainer, fresh_envs })
    }

    /// Tells what is trained, and after `how` where.
    fn announce(&self, preset: &str, how: fmt::Arguments) {
        let Config { env, algo, seed, .. } = &*self.config;
        tell(format_args!("{env}, {algo}{preset}, device {}, seed {seed}, {how}", self.device.backend));
    }
}

/// The same, with a place of its own.
struct Run {
    parts: Parts,
    dir: RunDir,
    metrics: MetricsFile,
    interrupt: Interrupt,
    /// Held until the end.
    _lock: RunLock,
}

/// A new run. Refuses what cannot be before anything is trained or written.
fn begin(args: &Args) -> Result<Run> {
    if args.at.is_some() {
        bail!("--at needs --resume");
    }
    let Resolved { config, preset } = args.settings.resolve()?;
    let parts = Parts::of(&config, args.ignore_memory)?;
    let config = &parts.config;
    // From now on there is something to save.
    let interrupt = Interrupt::install()?;
    let dir = match &args.out {
        Some(path) => RunDir::create(path)?,
        None => {
            let name = format!("{}-{}-seed{}", config.env, config.algo, config.seed);
            RunDir::create_numbered(RUNS.as_ref(), &name)?
        }
    };
    let lock = dir.lock()?;
    dir.write_config(config)?;
    dir.checkpoints().prepare()?;
    let (metrics, _) = dir.metrics_after(0, 0)?;
    if !args.quiet {
        parts.announce(&format!(" ({preset})"), format_args!("run directory {}", dir.path().display()));
    }
    Ok(Run { parts, dir, metrics, interrupt, _lock: lock })
}

/// An earlier run, from one of its checkpoints; from the start, if it has come to none.
fn resume(args: &Args, dir: RunDir) -> Result<Run, Failure> {
    let (parts, lock) = earlier(args, &dir).map_err(Failure::refused)?;
    go_on(args, parts, dir, lock).map_err(Failure::of)
}

/// What an earlier run is made of, as it was at a checkpoint. Nothing of the run is changed.
fn earlier(args: &Args, dir: &RunDir) -> Result<(Parts, RunLock)> {
    let checkpoints = dir.checkpoints();
    // Nothing is touched in a folder that is none.
    if !dir.path().is_dir() {
        bail!("{} is not a run directory", dir.path().display());
    }
    if checkpoints.updates()?.is_empty() {
        dir.config()?;
    }
    let lock = dir.lock()?;
    checkpoints.prepare()?;
    let checkpoint = match args.at {
        Some(update) => Some(checkpoints.load(update)?),
        None => newest(&checkpoints)?,
    };
    if checkpoint.is_none() && dir.policy_path().exists() {
        bail!(
            "{} has a policy, and no checkpoint to go on from: it would begin again; train into another folder",
            dir.path().display()
        );
    }
    let config = match &checkpoint {
        Some(checkpoint) => going_on(checkpoint.config(), dir),
        None => dir.config()?,
    };
    let mut parts = Parts::of(&args.settings.over(config)?, args.ignore_memory)?;
    if let Some(checkpoint) = checkpoint {
        parts.trainer.restore(checkpoint)?;
    }
    dir.check_writable()?;
    checkpoints.check_writable()?;
    Ok((parts, lock))
}

/// The settings that a run goes on with from a checkpoint: those of the checkpoint, but for what may be given with --resume, which
/// is written in the directory and holds from then on.
fn going_on(saved: &Config, dir: &RunDir) -> Config {
    let written = match dir.config() {
        Ok(written) => written,
        Err(error) => {
            let error = Error::from(error);
            tell(format_args!("warning: {error:#}; the settings of the checkpoint are taken"));
            return saved.clone();
        }
    };
    let Config { total_steps, device, threads, .. } = written;
    let config = Config { total_steps, device, threads, ..saved.clone() };
    if config != written {
        tell(format_args!(
            "warning: {} has other settings than the checkpoint; those of the checkpoint hold",
            dir.config_path().display()
        ));
    }
    config
}

/// Brings the directory of a run to the checkpoint that it goes on from.
fn go_on(args: &Args, parts: Parts, dir: RunDir, lock: RunLock) -> Result<Run> {
    let interrupt = Interrupt::install()?;
    let (checkpoints, trainer) = (dir.checkpoints(), &parts.trainer);
    match args.at {
        Some(update) => checkpoints.go_back(update)?,
        None if trainer.updates() > 0 => checkpoints.set_aside_after(trainer.updates())?,
        None => {}
    }
    let expected = trainer.updates().saturating_sub(trainer.faults());
    let (metrics, missing) = dir.metrics_after(trainer.updates(), expected)?;
    if let Some(missing) = missing {
        tell(format_args!("warning: {missing}"));
    }
    if !trainer.is_over() {
        dir.forget_the_end()?;
    }
    dir.write_config(&parts.config)?;
    if !args.quiet {
        let (update, steps, path) = (trainer.updates(), trainer.env_steps(), dir.path().display());
        parts.announce("", format_args!("going on after update {update} ({steps} steps) in {path}"));
    }
    Ok(Run { parts, dir, metrics, interrupt, _lock: lock })
}

impl Run {
    /// Trains and evaluates on the same threads, so that stepping environments in parallel does not wake them each time.
    fn execute(self, quiet: bool) -> Result<Outcome, Failure> {
        let Self { parts, dir, metrics, interrupt, _lock } = self;
        let Parts { config, device, trainer, fresh_envs } = parts;
        with_threads(config.threads, || {
            let (progress, saved) = (Progress::new(trainer.horizon(), quiet), trainer.updates());
            let saved_at = Instant::now();
            let session = Session {
                config: &config,
                device: &device.device,
                dir: &dir,
                metrics,
                interrupt,
                progress,
                saved,
                saved_at,
            };
            let trainer = session.train(trainer)?;
            let finish = || {
                let normalizer = trainer.observation_normalizer().cloned();
                let fresh_envs = evaluation_envs(fresh_envs, &config, normalizer)?;
                let evaluation = evaluate(&trainer.policy().valid(), fresh_envs, config.seed, false, &device.device)?;
                let outcome = Outcome { config, device, trainer, dir: dir.clone(), evaluation };
                outcome.dir.write_summary(&outcome.summary())?;
                Ok(outcome)
            };
            let again = format!("the policy is saved, but the outcome is not; again with: {}", how_to_go_on(&dir));
            finish().map_err(|error: Error| Failure::of(error.context(again)))
        })
    }
}

/// A run that has come to its end.
struct Outcome {
    config: CheckedConfig,
    device: OpenDevice,
    trainer: Trainer<ActorCritic>,
    dir: RunDir,
    evaluation: Evaluation,
}

impl Outcome {
    fn summary(&self) -> serde_json::Value {
        let (env_steps, seconds) = (self.trainer.env_steps(), self.trainer.seconds());
        json!({
            "env": self.config.env,
            "algo": self.config.algo,
            "device": self.device.backend,
            "seed": self.config.seed,
            "env_steps": env_steps,
            "train_seconds": seconds,
            "steps_per_second": env_steps as f64 / seconds,
            "episodes": self.trainer.episodes().count(),
            "faults": self.trainer.faults(),
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
        let (env_steps, seconds, Self { evaluation, .. }) = (self.trainer.env_steps(), self.trainer.seconds(), self);
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
