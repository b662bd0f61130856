//! A run in its own directory.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use super::{
    Evaluated, Observer, Trainer, UpdateStats,
    agent::save,
    checkpoint::Best,
    directory::{MetricsFile, RunDir, RunDirError, RunLock},
    log::Logs,
};
use crate::{
    Error,
    optim::LearningRate,
    policy::Policy,
    source::{EnvSource, Source},
};

/// Factor above which a rise of the learning rate is reported when a run is extended.
const RISE: f64 = 1.1;

/// Time between checkpoints if the configuration has no interval.
const BETWEEN_CHECKPOINTS: Duration = Duration::from_secs(10);

/// A run in a [`RunDir`], as on the command line but for any policy and any source. It saves the configuration,
/// metrics, checkpoints and the final policy, and records the best checkpoint. A run whose process was killed resumes
/// exactly from its last checkpoint.
///
/// ```
/// use burn_pg::{Config, DeviceChoice, Trainer, UpdateStats, device, run::{EarlierRun, RunDir, Session}};
/// use std::ops::ControlFlow;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("run");
/// let config = Config::default().with(|config| config.run.total_steps = 4_096).validate()?;
/// let device = device::open(DeviceChoice::Auto)?.device;
/// let mut session = Session::begin(Trainer::of(&config, &device)?, RunDir::create(&path)?)?;
/// session.train(&mut |stats: &UpdateStats| match stats.update {
///     2 => ControlFlow::Break(()),
///     _ => ControlFlow::Continue(()),
/// })?;
/// drop(session);
///
/// let earlier = EarlierRun::open(&path, None)?;
/// let trainer = Trainer::of(&earlier.config()?.validate()?, &device)?;
/// let mut session = earlier.resume(trainer)?;
/// session.train(&mut |_: &UpdateStats| ControlFlow::Continue(()))?;
/// assert_eq!(session.trainer().updates(), 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Session<P: Policy, S: Source<P> = EnvSource<P>> {
    trainer: Trainer<P, S>,
    keeper: Keeper<P, S>,
}

/// Returns the mean return of the policy of a run.
type Evaluate<P, S> = Box<dyn FnMut(&Trainer<P, S>) -> Result<f64, Error> + Send>;

/// The files that a run appends to.
pub(super) struct Files {
    pub metrics: MetricsFile,
    pub logs: Logs,
}

/// Saves metrics, checkpoints and the policy of a run.
struct Keeper<P: Policy, S: Source<P>> {
    dir: RunDir,
    metrics: MetricsFile,
    logs: Logs,
    /// The last learning rate before the run was extended; `None` after the first update since.
    learning_rate: Option<f64>,
    evaluate: Option<Evaluate<P, S>>,
    /// The evaluation that reached `checkpoint.stop_return`.
    reached: Option<Evaluated>,
    /// The update of the last checkpoint, or 0.
    saved: u64,
    /// When that checkpoint was saved, or when the session began.
    saved_at: Instant,
    /// False if the state of the source cannot be saved; then there are no checkpoints.
    is_resumable: bool,
    /// Locks the directory while the session lives.
    _lock: RunLock,
}

/// The error of a run that stopped before its end.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Stopped {
    /// Why the run stopped.
    #[source]
    pub error: Error,
    /// The outcome of saving the last good policy. It is not saved after a device failure, because its weights are
    /// undefined, or if the directory is gone.
    pub policy: Result<(), Error>,
}

impl<P: Policy, S: Source<P>> Session<P, S> {
    /// Starts a run in `dir`, which was just [created](RunDir::create), and writes the settings there. If the weights
    /// do not follow from the settings ([`Trainer::init_from`]), also saves a checkpoint, so that the run can always be
    /// resumed.
    ///
    /// # Errors
    /// [`Error::RunDir`] or [`Error::Checkpoint`] if the directory cannot be written, or another process trains in it;
    /// any error of [`Trainer::checkpoint`].
    pub fn begin(trainer: Trainer<P, S>, dir: RunDir) -> Result<Self, Error> {
        let lock = dir.lock()?;
        dir.write_config(trainer.config())?;
        dir.checkpoints().prepare()?;
        let (metrics, _) = dir.metrics_after(0, 0)?;
        let logs = Logs::open(trainer.config().log, &dir, None)?;
        if trainer.init_from().is_some() && trainer.why_unsaved().is_none() {
            dir.checkpoints().save(&trainer.checkpoint()?)?;
        }
        Ok(Self::new(trainer, dir, Files { metrics, logs }, lock, None))
    }

    /// Creates a session. `learning_rate` is that of the last update, if the run now has more steps than it had then.
    pub(super) fn new(
        trainer: Trainer<P, S>,
        dir: RunDir,
        Files { metrics, logs }: Files,
        lock: RunLock,
        learning_rate: Option<f64>,
    ) -> Self {
        let (saved, saved_at) = (trainer.updates(), Instant::now());
        let keeper = Keeper {
            dir,
            metrics,
            logs,
            learning_rate,
            evaluate: None,
            reached: None,
            saved,
            saved_at,
            is_resumable: true,
            _lock: lock,
        };
        Self { trainer, keeper }
    }

    /// Adds an evaluation of each checkpoint: `evaluate` returns the mean return of the policy, and the checkpoint with
    /// the highest mean return is kept as the best. [`selection_seed`](crate::agent::selection_seed) returns a seed
    /// whose episodes are not those of the final evaluation.
    #[must_use]
    pub fn with_evaluation(
        mut self,
        evaluate: impl FnMut(&Trainer<P, S>) -> Result<f64, Error> + Send + 'static,
    ) -> Self {
        self.keeper.evaluate = Some(Box::new(evaluate));
        self
    }

    /// Returns the trainer.
    #[must_use]
    pub fn trainer(&self) -> &Trainer<P, S> {
        &self.trainer
    }

    /// Returns the evaluation of a checkpoint that reached `checkpoint.stop_return` and ended the run, if one did.
    #[must_use]
    pub fn reached(&self) -> Option<&Evaluated> {
        self.keeper.reached.as_ref()
    }

    /// Returns the directory of the run.
    #[must_use]
    pub fn dir(&self) -> &RunDir {
        &self.keeper.dir
    }

    /// Writes the outcome of the run to `summary.json`, and the settings again if their file is gone.
    ///
    /// # Errors
    /// [`Error::RunDir`] if the file cannot be written; the error is [`RunDirError::Gone`] if the directory or its
    /// metrics were removed, moved or replaced: then nothing is written.
    pub fn write_summary(&self, summary: &serde_json::Value) -> Result<(), Error> {
        let Keeper { dir, metrics, .. } = &self.keeper;
        metrics.check_in_place()?;
        if !dir.config_path().exists() {
            dir.write_config(self.trainer.config())?;
        }
        Ok(dir.write_summary(summary)?)
    }

    /// Trains until the run is over or `observer` ends it. Writes the metrics of each update, saves checkpoints when
    /// they are due, and saves a checkpoint and the policy at the end. `observer` gets a warning before the first
    /// update if there are no checkpoints because the source does not implement [`save`](Source::save), and a warning
    /// if the learning rate rises because the run has more steps than when it was saved.
    ///
    /// # Errors
    /// [`Stopped`]. The last good policy is still saved, unless the device failed. The error is
    /// [`RunDirError::Gone`] if the directory was removed, moved or replaced: it is never created again.
    pub fn train(&mut self, observer: &mut dyn Observer) -> Result<(), Box<Stopped>> {
        self.train_to_end(observer).map_err(|error| {
            let error = self.keeper.cause_of(error);
            let policy = match &error {
                Error::Execution(reason) => Err(Error::Execution(reason.clone())),
                _ => self.keeper.save_policy(&self.trainer),
            };
            Box::new(Stopped { error, policy })
        })
    }

    fn train_to_end(&mut self, observer: &mut dyn Observer) -> Result<(), Error> {
        let Self { trainer, keeper } = self;
        if let Some(reason) = trainer.why_unsaved() {
            keeper.is_resumable = false;
            observer.on_warning(&format!("this run has no checkpoints and cannot be resumed: {reason}"));
        }
        // An earlier process may have ended after saving this checkpoint and before evaluating it.
        keeper.evaluate(trainer, observer)?;
        if keeper.reached.is_none() {
            keeper.run(trainer, observer)?;
        }
        // The checkpoint comes first: a policy without a checkpoint means that the run failed or that the policy was
        // imported.
        if keeper.is_resumable && keeper.saved != trainer.updates() {
            keeper.save(trainer, observer)?;
        }
        keeper.logs.flush()?;
        keeper.save_policy(trainer)
    }
}

impl<P: Policy, S: Source<P>> Keeper<P, S> {
    /// Trains until the run is over, an evaluation ends it, or `observer` does.
    fn run(&mut self, trainer: &mut Trainer<P, S>, observer: &mut dyn Observer) -> Result<(), Error> {
        let mut kept = Ok(());
        let outcome = trainer.run_with(|trainer, update| {
            trainer.report_episodes(observer);
            self.logs.episodes(trainer.ended_episodes());
            let flow = match update {
                Err(fault) => observer.on_fault(fault),
                Ok(stats) => {
                    kept = self.write(stats);
                    if kept.is_err() {
                        return ControlFlow::Break(());
                    }
                    self.warn_of_rise(trainer, stats, observer);
                    let flow = observer.on_update(stats);
                    kept = self.save_if_due(trainer, observer);
                    flow
                }
            };
            if kept.is_err() || self.reached.is_some() { ControlFlow::Break(()) } else { flow }
        });
        outcome.inspect_err(|_| trainer.report_episodes(observer))?;
        kept
    }

    fn write(&mut self, stats: &UpdateStats) -> Result<(), Error> {
        self.metrics.write(stats)?;
        Ok(self.logs.update(stats)?)
    }

    /// Warns at the first update of an extended run if its learning rate is higher than that of the last update before.
    fn warn_of_rise(&mut self, trainer: &Trainer<P, S>, stats: &UpdateStats, observer: &mut dyn Observer) {
        let (now, steps) = (stats.learning_rate, trainer.horizon());
        let is_scheduled = matches!(trainer.config().optimiser.learning_rate, LearningRate::Scheduled(_));
        if let Some(before) = self.learning_rate.take().filter(|_| is_scheduled).filter(|before| now > RISE * before) {
            observer.on_warning(&format!(
                "the learning rate goes from {before:.2e} (last update) to {now:.2e}, because its schedule now spans \
                 {steps} steps"
            ));
        }
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
        self.metrics.check_in_place()?;
        // Synced first, so that the metrics up to a checkpoint are never missing.
        self.metrics.sync()?;
        let checkpoints = self.dir.checkpoints();
        checkpoints.save(&trainer.checkpoint()?)?;
        (self.saved, self.saved_at) = (trainer.updates(), Instant::now());
        observer.on_checkpoint(self.saved);
        self.evaluate(trainer, observer)?;
        // An old checkpoint that was not removed does no harm.
        if let Err(error) = checkpoints.prune(trainer.config().checkpoint.keep) {
            observer.on_warning(&format!("older checkpoints could not be removed: {error}"));
        }
        Ok(())
    }

    /// Evaluates the policy of the last checkpoint, and records it if it is the best.
    fn evaluate(&mut self, trainer: &Trainer<P, S>, observer: &mut dyn Observer) -> Result<(), Error> {
        let (Some(evaluate), true) = (&mut self.evaluate, self.saved > 0) else { return Ok(()) };
        let update = self.saved;
        // A run that resumes has evaluated its checkpoint already, unless it was killed in between.
        let recorded = self.dir.evaluations()?.into_iter().find(|evaluated| evaluated.update == update);
        let return_mean = match recorded {
            Some(evaluated) => evaluated.return_mean,
            None => evaluate(trainer)?,
        };
        let is_best = self.dir.checkpoints().note(Best { update, return_mean })?;
        let evaluated = Evaluated { update, env_steps: trainer.env_steps(), return_mean, is_best };
        if recorded.is_none() {
            self.dir.add_evaluation(&evaluated)?;
            self.logs.evaluation(&evaluated)?;
        }
        let stop = trainer.config().checkpoint.stop_return;
        self.reached = Some(evaluated).filter(|evaluated| stop.is_some_and(|stop| evaluated.return_mean >= stop));
        observer.on_evaluation(&evaluated);
        Ok(())
    }

    /// Returns the cause of a file error: [`RunDirError::Gone`] if the directory is gone, the error itself otherwise.
    fn cause_of(&self, error: Error) -> Error {
        match (&error, self.metrics.check_in_place()) {
            (
                Error::RunDir(_) | Error::Checkpoint(_) | Error::Weights(_) | Error::Log(_),
                Err(gone @ RunDirError::Gone(_)),
            ) => gone.into(),
            _ => error,
        }
    }

    /// Saves the policy with its environment and its normaliser.
    fn save_policy(&self, trainer: &Trainer<P, S>) -> Result<(), Error> {
        // If the directory was replaced, it may hold the policy of another run.
        self.metrics.check_in_place()?;
        let (config, environment) = (trainer.config(), trainer.source().environment());
        save(&self.dir, config, environment, trainer.observation_normalizer(), &trainer.policy().valid())
    }
}
