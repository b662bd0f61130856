//! Earlier runs that are resumed.

use std::path::Path;

use anyhow::{Error, Result, bail};
use burn_pg::{
    CheckedConfig, Config,
    agent::export::Layers,
    config::EnvConfig,
    device::OpenDevice,
    envs::{VectorEnv, is_of_python},
    evaluation_envs,
    run::{Changes, EarlierRun, Restored, RunDir},
    source::{EnvSource, Source},
};

use super::{Args, Outcome, Parts, Run, announce, evaluated};
use crate::{
    commands::{
        agent::refuse_other_sources,
        newest::{pass_over, tell_what_is_damaged},
    },
    failure::Failure,
    interrupt::Interrupt,
    network::Kind,
    settings::Settings,
    tell::tell,
};

/// Resumes an earlier run from one of its checkpoints, or from the start if it has none, and trains it to its end.
pub fn resume(kind: &impl Kind, args: &Args, earlier: Earlier) -> Result<Outcome, Failure> {
    let (parts, restored) = restored(kind, args, earlier).map_err(Failure::refused)?;
    go_on(args, parts, restored).map_err(Failure::of)?.execute(args.quiet)
}

/// The parts of a run without its trainer.
struct Around {
    config: CheckedConfig,
    device: OpenDevice,
    /// Why `auto` stands for this device; `None` if there was no choice.
    why: Option<String>,
    fresh_envs: Box<dyn VectorEnv>,
}

/// An earlier run, and the settings with which it is resumed.
pub struct Earlier {
    run: EarlierRun,
    pub config: CheckedConfig,
}

impl Earlier {
    pub(super) fn open(args: &Args, path: &Path) -> Result<Self> {
        let (run, config) = earlier_config(&args.settings, path, args.at)?;
        Ok(Self { run, config })
    }
}

/// Returns an earlier run, and its configuration with the settings that may change.
pub fn earlier_config(settings: &Settings, path: &Path, at: Option<u64>) -> Result<(EarlierRun, CheckedConfig)> {
    let run = EarlierRun::open(path, at).inspect_err(tell_what_is_damaged)?;
    pass_over(run.damaged());
    let config = match run.checkpoint() {
        Some(checkpoint) => going_on(checkpoint.config(), run.dir()),
        None => run.config()?,
    };
    refuse_other_sources(&config, path)?;
    let config = settings.over(config)?;
    Ok((run, config))
}

/// A run that is restored from a checkpoint.
type RestoredRun<P> = Restored<P, EnvSource<P>>;

/// Restores an earlier run from a checkpoint. Its directory is not changed.
fn restored<K: Kind>(kind: &K, args: &Args, earlier: Earlier) -> Result<(Around, RestoredRun<K::Policy>)> {
    let parts = Parts::of(kind, &earlier.config, None, args.ignore_memory)?;
    let Parts { config, device, why, trainer, fresh_envs } = parts;
    let restored = earlier.run.restore(trainer)?;
    if let Some(given) = args.settings.total_steps {
        refuse_what_is_done(given, &restored)?;
    }
    Ok((Around { config, device, why, fresh_envs }, restored))
}

/// Refuses a step count with which nothing is left to train. A run that was cut off before its outcome was written may be
/// finished with the step count that it has.
fn refuse_what_is_done<P: Layers>(given: u64, restored: &RestoredRun<P>) -> Result<()> {
    let (trainer, done) = (restored.trainer(), restored.trainer().env_steps());
    let is_unfinished = given >= done && !restored.dir().has_summary();
    if !trainer.is_over() || is_unfinished {
        return Ok(());
    }
    if trainer.reaches_target() {
        bail!(
            "the run has reached its `target_return` after {done} steps, and --total-steps does not change that; to train on, \
             start a new run with --init-from {}",
            restored.dir().path().display()
        );
    }
    let least = done + trainer.source().longest_rollout().unwrap_or(1);
    bail!(
        "the run has already done {done} steps, so with --total-steps {given} nothing is left to train; give at least \
         {least}, which leaves room for one rollout, or more, such as --total-steps {}",
        least.max(2 * done)
    )
}

/// Returns the settings for resuming from a checkpoint: those of the checkpoint, except for the step count, device and
/// threads and how Python runs, which may change with --resume and are read from the configuration file of the directory.
fn going_on(saved: &Config, dir: &RunDir) -> Config {
    let written = match dir.config() {
        Ok(written) => written,
        Err(error) => {
            let error = Error::from(error);
            tell(format_args!("warning: {error:#}; the settings of the checkpoint are used"));
            return saved.clone();
        }
    };
    let mut config = saved.clone();
    config.run.total_steps = written.run.total_steps;
    config.run.device = written.run.device;
    config.run.threads = written.run.threads;
    let EnvConfig { python, workers, timeout, log, .. } = &written.env;
    let env = &mut config.env;
    (env.python, env.workers, env.timeout, env.log) = (python.clone(), *workers, *timeout, log.clone());
    if config != written {
        tell(format_args!(
            "warning: {} has other settings than the checkpoint; of the file, only `total_steps`, `device` and `threads` are used",
            dir.config_path().display()
        ));
    }
    config
}

/// Brings the directory of a run to the checkpoint from which it is resumed.
fn go_on<P: Layers + 'static>(args: &Args, around: Around, restored: RestoredRun<P>) -> Result<Run<P>> {
    let interrupt = Interrupt::install()?;
    let before = restored.trained_on().filter(|before| *before != around.config.run.device);
    let (session, Changes { aside, missing, edited }) = restored.go_on()?;
    if let Some(missing) = missing {
        tell(format_args!("warning: {missing}"));
    }
    if let Some(edited) = edited {
        tell(format_args!("config.toml was edited; the edited file is kept in {}", edited.display()));
    }
    let Around { config, device, why, fresh_envs } = around;
    if !args.quiet {
        if let Some(why) = why {
            tell(format_args!("device auto: {why}"));
        }
        let (trainer, path) = (session.trainer(), session.dir().path().display());
        let (update, steps) = (trainer.updates(), trainer.env_steps());
        if let Some(aside) = aside {
            tell(format_args!("what came after update {update} is kept in {}", aside.display()));
        }
        if !trainer.is_over() {
            let how = format_args!("going on after update {update} ({steps} steps) in {path}");
            announce(&config, &device, trainer.source(), "", how);
            if is_of_python(&config.env.name) {
                tell(format_args!("environments of Python cannot be saved: their episodes begin anew"));
            }
            if let Some(before) = before {
                tell(format_args!(
                    "the run was on {before} before: from here on, its numbers are not the same to the bit as if it had stayed there"
                ));
            }
        } else if trainer.reaches_target() {
            tell(format_args!("nothing left to train: the run has reached its `target_return` after {steps} steps"));
        } else {
            tell(format_args!("nothing left to train: the run has done all its {steps} steps"));
        }
    }
    let session = evaluated(&config, session, evaluation_envs);
    Ok(Run { session, config, device, fresh_envs, interrupt })
}
