//! A run in a directory of its own.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use super::{
    Evaluated, Observer, Trainer, UpdateStats,
    agent::save,
    checkpoint::Best,
    directory::{MetricsFile, RunDir, RunLock},
};
use burn_pg_envs::EnvError;

use crate::{
    Error,
    policy::Policy,
    source::{EnvSource, Source},
    storage::Misfit,
};

/// From one checkpoint to the next, if the configuration does not say.
const BETWEEN_CHECKPOINTS: Duration = Duration::from_secs(10);

/// A run in a [`RunDir`]: what the command line does, for any policy and any source. It keeps the configuration, metrics,
/// checkpoints, the best policy and the final one, and goes on exactly where a killed process was.
///
/// ```
/// use burn_pg::{Config, DeviceChoice, UpdateStats, algorithm::ppo, device, run::{EarlierRun, RunDir, Session}};
/// use std::ops::ControlFlow;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("run");
/// let config = Config { total_steps: 4_096, ..Config::default() }.validate()?;
/// let device = device::open(DeviceChoice::Auto)?.device;
/// let mut session = Session::begin(ppo(&config, &device)?, RunDir::create(&path)?)?;
/// session.train(&mut |stats: &UpdateStats| match stats.update {
///     2 => ControlFlow::Break(()),
///     _ => ControlFlow::Continue(()),
/// })?;
/// drop(session);
///
/// let earlier = EarlierRun::open(&path, None)?;
/// let trainer = ppo(&earlier.config()?.validate()?, &device)?;
/// let mut session = earlier.resume(trainer)?;
/// session.train(&mut |_: &UpdateStats| ControlFlow::Continue(()))?;
/// assert_eq!(session.trainer().updates(), 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Session<P: Policy, S: Source<P> = EnvSource<P>> {
    trainer: Trainer<P, S>,
    keeper: Keeper<P, S>,
}

/// The mean return of the policy of a run.
type Evaluate<P, S> = Box<dyn FnMut(&Trainer<P, S>) -> Result<f64, Error> + Send>;

/// Keeps what a run makes.
struct Keeper<P: Policy, S: Source<P>> {
    dir: RunDir,
    metrics: MetricsFile,
    evaluate: Option<Evaluate<P, S>>,
    /// The update of the last checkpoint, or 0.
    saved: u64,
    /// When it was saved, or the session began.
    saved_at: Instant,
    /// False if the state of the source cannot be saved; there are no checkpoints then.
    is_resumable: bool,
    /// Held until the end.
    _lock: RunLock,
}

/// Training has stopped before its end.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Stopped {
    /// Why.
    #[source]
    pub error: Error,
    /// Whether the last good policy was saved; nothing is saved if the device fails, for it may leave anything behind.
    pub policy: Result<(), Error>,
}

impl<P: Policy, S: Source<P>> Session<P, S> {
    /// A new run in `dir`, which was just [created](RunDir::create). Its settings are written there.
    ///
    /// # Errors
    /// [`Error::RunDir`] or [`Error::Checkpoint`] if the directory cannot be written, or another process trains in it.
    pub fn begin(trainer: Trainer<P, S>, dir: RunDir) -> Result<Self, Error> {
        let lock = dir.lock()?;
        dir.write_config(trainer.config())?;
        dir.checkpoints().prepare()?;
        let (metrics, _) = dir.metrics_after(0, 0)?;
        Ok(Self::new(trainer, dir, metrics, lock))
    }

    pub(super) fn new(trainer: Trainer<P, S>, dir: RunDir, metrics: MetricsFile, lock: RunLock) -> Self {
        let (saved, saved_at) = (trainer.updates(), Instant::now());
        let keeper = Keeper { dir, metrics, evaluate: None, saved, saved_at, is_resumable: true, _lock: lock };
        Self { trainer, keeper }
    }

    /// The same, with an evaluation of each checkpoint: `evaluate` returns the mean return of the policy, and the
    /// checkpoint with the highest one is kept as the best.
    #[must_use]
    pub fn with_evaluation(
        mut self,
        evaluate: impl FnMut(&Trainer<P, S>) -> Result<f64, Error> + Send + 'static,
    ) -> Self {
        self.keeper.evaluate = Some(Box::new(evaluate));
        self
    }

    /// The run itself.
    #[must_use]
    pub fn trainer(&self) -> &Trainer<P, S> {
        &self.trainer
    }

    /// Its directory.
    #[must_use]
    pub fn dir(&self) -> &RunDir {
        &self.keeper.dir
    }

    /// Trains until the run is over or `observer` ends it, keeps each update, and saves a checkpoint and the policy at the
    /// end. A source without [`save`](Source::save) has no checkpoints, which `observer` is warned of before the first update.
    ///
    /// # Errors
    /// [`Stopped`]; unless the device failed, the last good policy is saved all the same.
    pub fn train(&mut self, observer: &mut dyn Observer) -> Result<(), Box<Stopped>> {
        self.train_to_end(observer).map_err(|error| {
            let policy = match &error {
                Error::Execution(reason) => Err(Error::Execution(reason.clone())),
                _ => self.keeper.save_policy(&self.trainer),
            };
            Box::new(Stopped { error, policy })
        })
    }

    fn train_to_end(&mut self, observer: &mut dyn Observer) -> Result<(), Error> {
        let Self { trainer, keeper } = self;
        if let Err(reason @ (Misfit::Unsaved { .. } | Misfit::Envs(EnvError::Unsupported { .. }))) =
            trainer.source().save()
        {
            keeper.is_resumable = false;
            observer.on_warning(&format!("this run has no checkpoints and cannot be resumed: {reason}"));
        }
        // The process before may have ended between this checkpoint and its evaluation.
        keeper.evaluate(trainer, observer)?;
        let mut kept = Ok(());
        trainer.run_with(|trainer, update| {
            trainer.ended_episodes().iter().for_each(|episode| observer.on_episode(episode));
            let flow = match update {
                Err(fault) => observer.on_fault(fault),
                Ok(stats) => match keeper.keep(stats) {
                    Ok(()) => {
                        let flow = observer.on_update(stats);
                        kept = keeper.save_if_due(trainer, observer);
                        flow
                    }
                    Err(error) => {
                        kept = Err(error);
                        ControlFlow::Break(())
                    }
                },
            };
            if kept.is_err() { ControlFlow::Break(()) } else { flow }
        })?;
        kept?;
        // In this order: a policy without a checkpoint is that of a run that failed, or was trained elsewhere.
        if keeper.is_resumable && keeper.saved != trainer.updates() {
            keeper.save(trainer, observer)?;
        }
        keeper.save_policy(trainer)
    }
}

impl<P: Policy, S: Source<P>> Keeper<P, S> {
    fn keep(&mut self, stats: &UpdateStats) -> Result<(), Error> {
        Ok(self.metrics.write(stats)?)
    }

    fn save_if_due(&mut self, trainer: &Trainer<P, S>, observer: &mut dyn Observer) -> Result<(), Error> {
        let is_due = self.is_resumable
            && match trainer.config().checkpoint.interval {
                None => self.saved_at.elapsed() >= BETWEEN_CHECKPOINTS,
                Some(interval) => interval > 0 && trainer.updates() - self.saved >= interval,
            };
        if is_due { self.save(trainer, observer) } else { Ok(()) }
    }

    fn save(&mut self, trainer: &Trainer<P, S>, observer: &mut dyn Observer) -> Result<(), Error> {
        // What a checkpoint goes on from is never missing in the metrics.
        self.metrics.sync()?;
        let checkpoints = self.dir.checkpoints();
        checkpoints.save(&trainer.checkpoint()?)?;
        (self.saved, self.saved_at) = (trainer.updates(), Instant::now());
        observer.on_checkpoint(self.saved);
        self.evaluate(trainer, observer)?;
        // A checkpoint that should be gone does no harm.
        if let Err(error) = checkpoints.prune(trainer.config().checkpoint.keep) {
            observer.on_warning(&format!("older checkpoints stay: {error}"));
        }
        Ok(())
    }

    /// Evaluates the policy of the last checkpoint, and notes whether it is the best.
    fn evaluate(&mut self, trainer: &Trainer<P, S>, observer: &mut dyn Observer) -> Result<(), Error> {
        let (Some(evaluate), true) = (&mut self.evaluate, self.saved > 0) else { return Ok(()) };
        let (update, return_mean) = (self.saved, evaluate(trainer)?);
        let is_best = self.dir.checkpoints().note(Best { update, return_mean })?;
        observer.on_evaluation(&Evaluated { update, return_mean, is_best });
        Ok(())
    }

    /// Saves the policy, and the environment and the normaliser that belong to it.
    fn save_policy(&self, trainer: &Trainer<P, S>) -> Result<(), Error> {
        let environment = trainer.source().environment();
        save(&self.dir, environment, trainer.observation_normalizer(), &trainer.policy().valid())
    }
}
