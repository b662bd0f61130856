//! `burn-pg train`

mod watch;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use anyhow::{Error, Result, anyhow, bail};
use burn_pg::{
    CheckedConfig, Config, Evaluation, Trainer,
    algorithm::configured,
    device::OpenDevice,
    envs::{VectorEnv, make},
    evaluate, evaluate_with,
    kernel::with_threads,
    policy::ActorCritic,
    run::{EarlierRun, Restored, RunDir, Session, Stopped, directory::RunDirError},
    source::EnvSource,
};
use serde_json::json;

use crate::{
    commands::{
        how_to_go_on::how_to_go_on,
        newest::{pass_over, tell_what_is_damaged},
        plan::refuse_what_does_not_fit,
    },
    failure::Failure,
    interrupt::Interrupt,
    numbers::whole,
    output::print_line,
    progress::{EvalProgress, Progress},
    settings::{Resolved, Settings, with_open_device},
    tell::tell,
};
use watch::Watch;

/// Folder of runs without `--out`.
const RUNS: &str = "runs";

const AFTER_HELP: &str = "\
Examples:
  burn-pg train CartPole-v1
  burn-pg train Pendulum-v1 --seed 3 --out runs/pendulum
  burn-pg train --resume runs/pendulum --total-steps 2e6

Exit codes: 0 for success, 1 if the run fails, 2 if it is refused before anything is trained, 3 if the device fails, 130 and \
143 if it is interrupted (Ctrl-C, SIGTERM) and can be resumed.";

/// Train an agent, evaluate it, and keep everything in a run directory
#[derive(clap::Args)]
#[command(
    override_usage = "burn-pg train <ENV> [OPTIONS]\n       burn-pg train --resume <RUN_DIR> [OPTIONS]",
    after_help = AFTER_HELP
)]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Write the run to this directory, which must be empty or not exist [default: a new one in runs/]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with an earlier run from its newest checkpoint. Of all settings only --threads, --device and --total-steps may be
    /// given with it
    #[arg(long, value_name = "RUN_DIR", conflicts_with_all = ["env", "algo", "preset", "config", "set", "seed", "out"])]
    resume: Option<PathBuf>,
    /// Go on from the checkpoint of this update, such as 120; needs --resume [default: the newest]
    #[arg(long, value_name = "UPDATE", allow_negative_numbers = true, value_parser = whole::<u64>(0..=u64::MAX, 120))]
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
        Some(path) => resume(args, path)?,
        None => begin(args).map_err(Failure::refused)?,
    };
    let outcome = run.execute(args.quiet)?;
    match (args.json, args.quiet) {
        (true, _) => print_line(outcome.summary()),
        (false, false) => print_line(outcome),
        (false, true) => Ok(()),
    }
}

/// The parts of a run, checked and ready.
struct Parts {
    config: CheckedConfig,
    device: OpenDevice,
    trainer: Trainer<ActorCritic>,
    /// Environments for the evaluation.
    fresh_envs: Box<dyn VectorEnv>,
}

impl Parts {
    /// Creates the parts. Writes nothing.
    fn of(config: &CheckedConfig, ignore_memory: bool) -> Result<Self> {
        let (config, device) = with_open_device(config)?;
        refuse_what_does_not_fit(ignore_memory, &config, true)?;
        let trainer = configured(&config, &device.device)?;
        let fresh_envs = make(&config.env, config.eval_episodes)?;
        Ok(Self { config, device, trainer, fresh_envs })
    }

    fn announce(&self, preset: &str, how: fmt::Arguments) {
        announce(&self.config, &self.device, preset, how);
    }
}

/// Prints what is trained, followed by `how`.
fn announce(config: &Config, device: &OpenDevice, preset: &str, how: fmt::Arguments) {
    let Config { env, algo, seed, .. } = config;
    tell(format_args!("{env}, {algo}{preset}, device {}, seed {seed}, {how}", device.backend));
}

impl Parts {
    /// Adds the evaluation of each checkpoint, if `checkpoint.eval_episodes` is not 0.
    fn evaluated(config: &CheckedConfig, session: Session<ActorCritic>) -> Session<ActorCritic> {
        let episodes = config.checkpoint.eval_episodes;
        if episodes == 0 {
            return session;
        }
        let seed = config.seed;
        session.with_evaluation(move |trainer| {
            let agent = trainer.agent()?;
            Ok(evaluate(&agent, agent.make_envs(episodes)?, seed, false)?.return_mean())
        })
    }
}

/// A run in its run directory.
struct Run {
    session: Session<ActorCritic>,
    config: CheckedConfig,
    device: OpenDevice,
    /// Environments for the evaluation.
    fresh_envs: Box<dyn VectorEnv>,
    interrupt: Interrupt,
}

/// Begins a new run. Refuses invalid settings before anything is trained or written.
fn begin(args: &Args) -> Result<Run> {
    if args.at.is_some() {
        bail!("--at needs --resume");
    }
    let Resolved { config, preset } = args.settings.resolve()?;
    let parts = Parts::of(&config, args.ignore_memory)?;
    // From now on there is something to save.
    let interrupt = Interrupt::install()?;
    let config = &parts.config;
    let dir = match &args.out {
        Some(path) => RunDir::create(path).map_err(or_go_on)?,
        None => {
            let name = format!("{}-{}-seed{}", config.env, config.algo, config.seed);
            RunDir::create_numbered(RUNS.as_ref(), &name)?
        }
    };
    if !args.quiet {
        parts.announce(&format!(" ({preset})"), format_args!("run directory {}", dir.path().display()));
    }
    let Parts { config, device, trainer, fresh_envs } = parts;
    let session = Parts::evaluated(&config, Session::begin(trainer, dir)?);
    Ok(Run { session, config, device, fresh_envs, interrupt })
}

/// Adds how to go on with the run in a folder that is already used, if it has a checkpoint.
fn or_go_on(error: RunDirError) -> Error {
    let RunDirError::Used(path) = &error else { return error.into() };
    let dir = RunDir::open(path);
    match dir.checkpoints().updates() {
        Ok(updates) if !updates.is_empty() => {
            anyhow!("{error}, or go on with the run in it: {}", how_to_go_on(&dir))
        }
        _ => error.into(),
    }
}

/// Resumes an earlier run from one of its checkpoints, or from the start if it has none.
fn resume(args: &Args, path: &Path) -> Result<Run, Failure> {
    let (parts, restored) = earlier(args, path).map_err(Failure::refused)?;
    go_on(args, parts, restored).map_err(Failure::of)
}

/// The parts of a run without its trainer.
struct Around {
    config: CheckedConfig,
    device: OpenDevice,
    fresh_envs: Box<dyn VectorEnv>,
}

/// Restores an earlier run from a checkpoint. Its directory is not changed.
fn earlier(args: &Args, path: &Path) -> Result<(Around, Restored<ActorCritic, EnvSource<ActorCritic>>)> {
    let earlier = EarlierRun::open(path, args.at).inspect_err(tell_what_is_damaged)?;
    pass_over(earlier.damaged());
    let config = match earlier.checkpoint() {
        Some(checkpoint) => going_on(checkpoint.config(), earlier.dir()),
        None => earlier.config()?,
    };
    let parts = Parts::of(&args.settings.over(config)?, args.ignore_memory)?;
    let Parts { config, device, trainer, fresh_envs } = parts;
    Ok((Around { config, device, fresh_envs }, earlier.restore(trainer)?))
}

/// Returns the settings for resuming from a checkpoint: those of the checkpoint, except for the step count, device and
/// threads, which may change with --resume and are read from the configuration file of the directory.
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

/// Brings the directory of a run to the checkpoint from which it is resumed.
fn go_on(args: &Args, around: Around, restored: Restored<ActorCritic, EnvSource<ActorCritic>>) -> Result<Run> {
    let interrupt = Interrupt::install()?;
    let (session, missing) = restored.go_on()?;
    if let Some(missing) = missing {
        tell(format_args!("warning: {missing}"));
    }
    let Around { config, device, fresh_envs } = around;
    if !args.quiet {
        let (update, steps) = (session.trainer().updates(), session.trainer().env_steps());
        let path = session.dir().path().display();
        announce(&config, &device, "", format_args!("going on after update {update} ({steps} steps) in {path}"));
    }
    let session = Parts::evaluated(&config, session);
    Ok(Run { session, config, device, fresh_envs, interrupt })
}

impl Run {
    /// Trains and evaluates on the same threads, so that stepping environments in parallel does not wake them each
    /// time.
    fn execute(self, quiet: bool) -> Result<Outcome, Failure> {
        let Self { mut session, config, device, fresh_envs, interrupt } = self;
        with_threads(config.threads, || {
            let mut watch = Watch { progress: Progress::new(session.trainer().horizon(), quiet), interrupt };
            let trained = session.train(&mut watch);
            watch.progress.finish();
            trained.map_err(|stopped| failed(*stopped, &session))?;
            let again = how_to_go_on(session.dir());
            if let Some(code) = watch.interrupt.exit_code() {
                let (update, steps) = (session.trainer().updates(), session.trainer().env_steps());
                let advice = format!("saved after update {update} ({steps} steps); go on with: {again}");
                return Err(Failure::Interrupted { advice, code });
            }
            // The rest can be repeated from the saved run.
            watch.interrupt.release();
            let finish = || {
                let agent = session.trainer().agent()?;
                let mut progress = EvalProgress::new(fresh_envs.num_envs(), quiet);
                let evaluation = evaluate_with(&agent, fresh_envs, config.seed, false, |ended| progress.step(ended));
                progress.finish();
                let evaluation = evaluation?;
                let outcome = Outcome { config, device, session, evaluation };
                outcome.session.dir().write_summary(&outcome.summary())?;
                Ok(outcome)
            };
            let again = format!("the policy is saved, but the outcome is not; again with: {again}");
            finish().map_err(|error: Error| Failure::of(error.context(again)))
        })
    }
}

/// Returns the failure of a run: why training failed, what was saved, and how to resume.
fn failed(stopped: Stopped, session: &Session<ActorCritic>) -> Failure {
    let (update, steps) = (session.trainer().updates(), session.trainer().env_steps());
    let dir = session.dir();
    let checkpoint = match dir.checkpoints().updates() {
        Ok(updates) => updates.last().map_or_else(
            || "there is no checkpoint yet".into(),
            |update| format!("go on from the checkpoint of update {update} with: {}", how_to_go_on(dir)),
        ),
        Err(unread) => format!("checkpoints cannot be looked for ({unread})"),
    };
    let Stopped { error, policy } = stopped;
    match Failure::of(error) {
        Failure::Run(error) => {
            let (failed, path) = (format!("training failed after {steps} steps"), dir.path().display());
            Failure::Run(error.context(match policy {
                Ok(()) => format!("{failed}; the last good policy is saved in {path}; {checkpoint}"),
                Err(unsaved) => {
                    let unsaved = Error::from(unsaved);
                    format!("{failed}, and the last good policy is lost ({unsaved:#}); {checkpoint}")
                }
            }))
        }
        // The error of a device does not say where it failed, and the state on the device is unknown.
        Failure::Device(error) => {
            let failed = format!("training failed in update {update}, after {steps} steps; {checkpoint}");
            Failure::Device(error.context(failed))
        }
        other => other,
    }
}

/// A run that has ended.
struct Outcome {
    config: CheckedConfig,
    device: OpenDevice,
    session: Session<ActorCritic>,
    evaluation: Evaluation,
}

impl Outcome {
    fn summary(&self) -> serde_json::Value {
        let (env_steps, seconds) = (self.session.trainer().env_steps(), self.session.trainer().seconds());
        json!({
            "env": self.config.env,
            "algo": self.config.algo,
            "device": self.device.backend,
            "seed": self.config.seed,
            "env_steps": env_steps,
            "train_seconds": seconds,
            "steps_per_second": env_steps as f64 / seconds,
            "episodes": self.session.trainer().episodes().count(),
            "faults": self.session.trainer().faults(),
            "train_return_mean": self.session.trainer().episodes().return_mean(),
            "eval_episodes": self.evaluation.returns.len(),
            "eval_return_mean": self.evaluation.return_mean(),
            "eval_return_std": self.evaluation.return_std(),
            "run_dir": self.session.dir().path().to_string_lossy(),
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (env_steps, seconds, Self { evaluation, .. }) =
            (self.session.trainer().env_steps(), self.session.trainer().seconds(), self);
        write!(
            f,
            "trained {env_steps} steps in {seconds:.1} s ({:.0} steps/s)\n\
             evaluation: mean return {:.1}, standard deviation {:.1}, {} episodes\n\
             saved in {}",
            env_steps as f64 / seconds,
            evaluation.return_mean(),
            evaluation.return_std(),
            evaluation.returns.len(),
            self.session.dir().path().display(),
        )
    }
}
