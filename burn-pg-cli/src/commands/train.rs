//! `burn-pg train`

mod failed;
mod outcome;
mod resume;
pub mod solved;
mod start;
mod watch;

use std::{
    fmt,
    io::{IsTerminal, stderr},
    path::{Path, PathBuf},
};

use anyhow::{Error, Result, anyhow, bail};
use burn_pg::{
    CheckedConfig, Config, Trainer,
    agent::{export::Layers, selection_seed},
    device::OpenDevice,
    envs::VectorEnv,
    evaluate_episodes, evaluation_envs,
    kernel::with_threads,
    run::{
        RunDir, Session,
        directory::{RunDirError, read_metrics},
    },
    source::EnvSource,
};

use crate::{
    commands::{
        agent::unknown_network,
        how_to_go_on::{how_to_go_on, quoted},
        plan::refuse_what_does_not_fit,
    },
    device::{Opened, open},
    failure::Failure,
    interrupt::Interrupt,
    network::Kind,
    numbers::whole,
    output::print_line,
    presets, program,
    progress::{EvalProgress, Progress},
    registry::Registry,
    settings::{Resolved, Settings},
    tell::tell,
};
use failed::{failed, not_evaluated};
pub use outcome::Outcome;
pub use resume::{Earlier, earlier_config, resume};
use start::Start;
use watch::Watch;

/// Folder of runs without `--out`.
pub const RUNS: &str = "runs";

const AFTER_HELP: &str = "\
Examples:
  burn-pg train CartPole-v1
  burn-pg train Pendulum-v1 --seed 3 --out runs/pendulum
  burn-pg train --resume runs/pendulum --total-steps 2e6
  burn-pg train Pendulum-v1 --init-from runs/pendulum --set learning_rate=1e-4

Exit codes: 0 for success, 1 if the run fails, 2 if it is refused before anything is trained, 3 if the device fails, 129, 130 \
and 143 if it is interrupted (SIGHUP, Ctrl-C, SIGTERM) and can be resumed.";

/// Train an agent, evaluate it, and keep everything in a run directory
#[derive(clap::Args)]
#[command(
    override_usage = usage(),
    after_help = AFTER_HELP.replace("burn-pg", program::name())
)]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Write the run to this directory, which must be empty or not exist [default: a new one in runs/]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Start with the weights of this run, such as runs/CartPole-v1-ppo-seed1, or of this file, such as cartpole.safetensors:
    /// one that `export --format safetensors` has written, or a state dict of Stable-Baselines3. The networks are those of that
    /// policy [default: random weights]
    #[arg(long, value_name = "RUN|FILE", conflicts_with = "resume")]
    init_from: Option<PathBuf>,
    /// Resume an earlier run from its newest checkpoint. Of all settings, only --threads, --device and --total-steps can be
    /// changed
    #[arg(long, value_name = "RUN_DIR", conflicts_with_all = ["env", "algo", "preset", "config", "set", "seed", "out"])]
    resume: Option<PathBuf>,
    /// Resume from the checkpoint of this update, such as 120; needs --resume [default: the newest]. What came after it is
    /// kept in the run directory, in aside-after-<UPDATE>
    #[arg(long, value_name = "UPDATE", allow_negative_numbers = true, value_parser = whole::<u64>(0..=u64::MAX, 120))]
    at: Option<u64>,
    /// Start even if the memory plan says that the run does not fit into the available memory; `plan` shows it
    #[arg(long)]
    ignore_memory: bool,
    /// Print the summary as one line of JSON, and nothing else, on stdout
    #[arg(long)]
    json: bool,
    /// Show no progress, and no outcome unless --json is given
    #[arg(long)]
    quiet: bool,
}

fn usage() -> String {
    let [begin, resume] = ["train <ENV> [OPTIONS]", "train --resume <RUN_DIR> [OPTIONS]"].map(program::command);
    format!("{begin}\n       {resume}")
}

pub fn run(args: &Args, registry: &Registry) -> Result<(), Failure> {
    let outcome = match &args.resume {
        Some(path) => {
            let earlier = Earlier::open(args, path).map_err(Failure::refused)?;
            let network = registry.network(&earlier.config);
            network.map_err(|error| Failure::Usage(unknown_network(&error, path)))?.resume(args, earlier)?
        }
        None => {
            let new = New::of(args, registry).map_err(Failure::refused)?;
            registry.network(&new.resolved.config).map_err(Failure::usage)?.begin(args, new)?
        }
    };
    match (args.json, args.quiet) {
        (true, _) => print_line(outcome.summary()),
        (false, false) => {
            print_line(&outcome)?;
            // On a terminal, there is somebody who might go on.
            if stderr().is_terminal() {
                tell(what_next(outcome.run_dir()));
            }
            Ok(())
        }
        (false, true) => Ok(()),
    }
}

/// Returns three commands for a run that has ended.
fn what_next(run_dir: &Path) -> String {
    let run = quoted(run_dir);
    let commands =
        [format!("watch {run}"), format!("plot {run}"), format!("export {run} --format onnx --out policy.onnx")];
    let lines = commands.map(|command| format!("\n  {}", program::command(command)));
    format!("watch, plot or export it:{}", lines.concat())
}

/// The parts of a run, checked and ready.
struct Parts<P: Layers> {
    config: CheckedConfig,
    device: OpenDevice,
    /// Why `auto` stands for this device; `None` if there was no choice.
    why: Option<String>,
    trainer: Trainer<P>,
    /// Environments for the evaluation.
    fresh_envs: Box<dyn VectorEnv>,
}

impl<P: Layers + 'static> Parts<P> {
    /// Creates the parts. Writes nothing.
    fn of(
        kind: &impl Kind<Policy = P>,
        config: &CheckedConfig,
        start: Option<&Start>,
        ignore_memory: bool,
    ) -> Result<Self> {
        let Opened { config, device, why } = open(config)?;
        refuse_what_does_not_fit(ignore_memory, &config, &device, true)?;
        let trainer = match start {
            Some(start) => start.trainer(kind, &config, &device.device)?,
            None => kind.trainer(&config, &device.device)?,
        };
        let fresh_envs = config.env.make(evaluation_envs(&config.env.name, config.evaluation.episodes))?;
        Ok(Self { config, device, why, trainer, fresh_envs })
    }

    fn announce(&self, preset: &str, how: fmt::Arguments) {
        if let Some(why) = &self.why {
            tell(format_args!("device auto: {why}"));
        }
        announce(&self.config, &self.device, self.trainer.source(), preset, how);
    }
}

/// Prints what is trained, followed by `how`.
fn announce<P: Layers>(config: &Config, device: &OpenDevice, source: &EnvSource<P>, preset: &str, how: fmt::Arguments) {
    let (env, algo, seed) = (&config.env.name, config.algorithm.algo(), config.run.seed);
    let place = match (source.layout(), source.off_device()) {
        _ if device.backend.is_cpu() => String::new(),
        (Some(layout), _) => format!(" (with the environments, {layout})"),
        (None, Some(reason)) => format!(" (environments on the host: {reason})"),
        (None, None) => String::new(),
    };
    tell(format_args!("{env}, {algo}{preset}, device {}{place}, seed {seed}, {how}", device.backend));
}

/// Adds the evaluation of each checkpoint, if `checkpoint.episodes` is not 0. `num_envs` says how many environments of a name
/// to make for a number of episodes.
pub fn evaluated<P: Layers + 'static>(
    config: &CheckedConfig,
    session: Session<P>,
    num_envs: fn(&str, usize) -> usize,
) -> Session<P> {
    let episodes = config.checkpoint.episodes;
    if episodes == 0 {
        return session;
    }
    let seed = selection_seed(config.run.seed);
    session.with_evaluation(move |trainer| {
        let agent = trainer.agent()?;
        let envs = agent.make_envs(num_envs(&agent.spec().id, episodes))?;
        Ok(evaluate_episodes(&agent, envs, episodes, seed, false, |_| {})?.return_mean())
    })
}

/// A run in its run directory.
struct Run<P: Layers> {
    session: Session<P>,
    config: CheckedConfig,
    device: OpenDevice,
    /// Environments for the evaluation.
    fresh_envs: Box<dyn VectorEnv>,
    interrupt: Interrupt,
}

/// What a new run is made of.
pub struct New {
    start: Option<Start>,
    resolved: Resolved,
}

impl New {
    fn of(args: &Args, registry: &Registry) -> Result<Self> {
        if args.at.is_some() {
            bail!("--at needs --resume: it is the checkpoint of a run to resume from");
        }
        let start = args.init_from.as_deref().map(Start::open).transpose()?;
        let settings = start.as_ref().map(Start::settings).transpose()?;
        let given = args.settings.clone();
        let given = match start.as_ref().and_then(Start::env) {
            Some(env) => given.in_env(env),
            None => given,
        };
        let resolved = given.resolve_over(settings.as_ref(), registry)?;
        if let Some(start) = &start {
            start.refuse_unread(&resolved.layers)?;
            start.refuse_other_networks(&resolved.config, &resolved.layers)?;
        }
        Ok(Self { start, resolved })
    }
}

/// Trains a new run to its end.
pub fn begin(kind: &impl Kind, args: &Args, new: New) -> Result<Outcome, Failure> {
    begun(kind, args, new).map_err(Failure::refused)?.execute(args.quiet)
}

/// Begins a new run. Refuses invalid settings before anything is trained or written.
fn begun<K: Kind>(kind: &K, args: &Args, new: New) -> Result<Run<K::Policy>> {
    let New { start, resolved: Resolved { config, preset, .. } } = new;
    let parts = Parts::of(kind, &config, start.as_ref(), args.ignore_memory)?;
    // From now on there is something to save.
    let interrupt = Interrupt::install()?;
    let config = &parts.config;
    let dir = match &args.out {
        Some(path) => RunDir::create(path).map_err(or_go_on)?,
        None => new_dir(config)?,
    };
    if !args.quiet {
        parts.announce(&format!(" ({preset})"), format_args!("run directory {}", dir.path().display()));
        if let Some(from) = parts.trainer.init_from() {
            tell(format_args!("starting from {from}"));
        }
    }
    let Parts { config, device, trainer, fresh_envs, .. } = parts;
    let session = evaluated(&config, Session::begin(trainer, dir)?, evaluation_envs);
    Ok(Run { session, config, device, fresh_envs, interrupt })
}

/// Creates a new directory for a run in the folder of runs.
pub fn new_dir(config: &Config) -> Result<RunDir, RunDirError> {
    let env = presets::short_name(&config.env.name);
    let name = format!("{env}-{}-seed{}", config.algorithm.algo(), config.run.seed);
    RunDir::create_numbered(RUNS.as_ref(), &name)
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

impl<P: Layers + 'static> Run<P> {
    /// Trains and evaluates on the same threads, so that stepping environments in parallel does not wake them each
    /// time.
    fn execute(self, quiet: bool) -> Result<Outcome, Failure> {
        let Self { mut session, config, device, fresh_envs, interrupt } = self;
        let is_over = session.trainer().is_over();
        with_threads(config.run.threads, || {
            let (horizon, threshold) = (session.trainer().horizon(), fresh_envs.spec().reward_threshold);
            let mut progress = Progress::new(horizon, quiet).with_screen(horizon, threshold);
            progress.remember(|| read_metrics(&session.dir().metrics_path()).unwrap_or_default());
            let mut watch = Watch { progress, interrupt };
            if !device.backend.is_cpu() && !is_over {
                watch.progress.wait_for("the GPU compiles kernels");
            }
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
            let dir = session.dir().clone();
            let finish = || {
                let agent = session.trainer().agent()?;
                let mut progress = EvalProgress::new(config.evaluation.episodes, quiet);
                let evaluation = evaluate_episodes(
                    &agent,
                    fresh_envs,
                    config.evaluation.episodes,
                    config.run.seed,
                    false,
                    |ended| progress.step(ended),
                );
                progress.finish();
                let evaluation = evaluation?;
                let outcome = Outcome::of(&config, &device, &session, !is_over, Some(&evaluation));
                session.write_summary(outcome.summary())?;
                Ok(outcome)
            };
            finish().map_err(|error: Error| Failure::of(error).told(|cause| not_evaluated(cause, &dir, &again)))
        })
    }
}
