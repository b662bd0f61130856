//! Runs of an earlier process.

use std::path::{Path, PathBuf};

use super::{
    Session, Trainer,
    checkpoint::{Checkpoint, CheckpointError},
    directory::{MissingLines, RunDir, RunDirError, RunLock},
    log::Logs,
    session::Files,
};
use crate::{Config, DeviceChoice, Error, policy::Policy, source::Source};

/// A run of an earlier process, locked, with the checkpoint to resume from. Until [`resume`](Self::resume) its
/// directory is unchanged, except that leftovers of a crash are removed.
pub struct EarlierRun {
    dir: RunDir,
    lock: RunLock,
    /// `None` if the run has saved none.
    checkpoint: Option<Checkpoint>,
    /// The errors of newer checkpoints, which are damaged.
    damaged: Vec<CheckpointError>,
    /// True if the caller chose the checkpoint.
    chosen: bool,
}

impl EarlierRun {
    /// Opens the run in `path`, to resume from the checkpoint of update `at`, or from the newest undamaged one.
    ///
    /// # Errors
    /// [`Error::RunDir`] if `path` is not a run directory, if another process trains in it, or if it has results but
    /// no checkpoint; [`Error::Checkpoint`] if no checkpoint can be used.
    pub fn open(path: &Path, at: Option<u64>) -> Result<Self, Error> {
        let dir = RunDir::open(path);
        // Checked before anything is written to `path`.
        dir.check()?;
        let checkpoints = dir.checkpoints();
        if checkpoints.updates()?.is_empty() {
            dir.config()?;
        }
        let lock = dir.lock()?;
        checkpoints.prepare()?;
        let (checkpoint, damaged) = match at {
            Some(update) => Some((checkpoints.load(update)?, Vec::new())),
            None => checkpoints.newest()?,
        }
        .unzip();
        if checkpoint.is_none() && (dir.policy_path().exists() || dir.has_summary()) {
            return Err(RunDirError::NoCheckpoint(path.into()).into());
        }
        Ok(Self { dir, lock, checkpoint, damaged: damaged.unwrap_or_default(), chosen: at.is_some() })
    }

    /// Returns the directory.
    #[must_use]
    pub fn dir(&self) -> &RunDir {
        &self.dir
    }

    /// Returns the checkpoint to resume from; `None` if the run starts again from the beginning.
    #[must_use]
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref()
    }

    /// Returns the errors of newer checkpoints that are damaged and therefore skipped.
    #[must_use]
    pub fn damaged(&self) -> &[CheckpointError] {
        &self.damaged
    }

    /// Returns the settings of the checkpoint, or those of the directory if there is no checkpoint.
    ///
    /// # Errors
    /// [`Error::RunDir`] if they cannot be read.
    pub fn config(&self) -> Result<Config, Error> {
        match &self.checkpoint {
            Some(checkpoint) => Ok(checkpoint.config().clone()),
            None => Ok(self.dir.config()?),
        }
    }

    /// Resumes the run exactly at the checkpoint, with `trainer`, which must have the same parts as the run. Metrics
    /// after the checkpoint are removed. If the checkpoint was chosen with `at` and there are later ones, all that came
    /// after it is kept in a new folder `aside-after-20` (for update 20) in the directory. Otherwise later checkpoints
    /// are damaged, and renamed. A `config.toml` that was edited is kept in `config.toml.edited`.
    ///
    /// # Errors
    /// [`Error::Misfit`] if the checkpoint is of a run with other parts, or if there is none because the source cannot
    /// be saved. The directory is then unchanged. [`Error::RunDir`] or [`Error::Checkpoint`] if the directory cannot be
    /// written.
    pub fn resume<P: Policy, S: Source<P>>(self, trainer: Trainer<P, S>) -> Result<Session<P, S>, Error> {
        self.restore(trainer)?.go_on().map(|(session, _)| session)
    }

    /// The first half of [`resume`](Self::resume): restores the checkpoint into `trainer` and checks that the directory
    /// can be written. The directory is not changed.
    ///
    /// # Errors
    /// As [`resume`](Self::resume).
    pub fn restore<P: Policy, S: Source<P>>(mut self, mut trainer: Trainer<P, S>) -> Result<Restored<P, S>, Error> {
        let trained_on = self.checkpoint().map(|checkpoint| checkpoint.config().run.device);
        let mut is_extended = false;
        if let Some(checkpoint) = self.checkpoint.take() {
            is_extended = trainer.config().run.total_steps > checkpoint.config().run.total_steps;
            trainer.restore(checkpoint)?;
        } else if let Some(reason) = trainer.why_unsaved() {
            // Starting again would erase the metrics of a run that cannot be resumed.
            return Err(reason.into());
        }
        self.dir.check_writable()?;
        self.dir.checkpoints().check_writable()?;
        Ok(Restored { run: self, trainer, is_extended, trained_on })
    }
}

/// A run whose checkpoint is restored, before its directory is changed.
pub struct Restored<P: Policy, S: Source<P>> {
    run: EarlierRun,
    trainer: Trainer<P, S>,
    /// True if the run now has more steps than at the checkpoint.
    is_extended: bool,
    /// The device of the checkpoint, if there is one.
    trained_on: Option<DeviceChoice>,
}

/// The changes in a directory that was brought to the state of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The folder in which everything after the checkpoint is kept, if the run went back to an earlier one.
    pub aside: Option<PathBuf>,
    /// Metrics that are missing before the checkpoint.
    pub missing: Option<MissingLines>,
    /// A copy of `config.toml`, if it was edited and had to be written again.
    pub edited: Option<PathBuf>,
}

impl<P: Policy, S: Source<P>> Restored<P, S> {
    /// Returns the device on which the run was trained up to the checkpoint, if there is one.
    #[must_use]
    pub fn trained_on(&self) -> Option<DeviceChoice> {
        self.trained_on
    }

    /// Returns the trainer.
    #[must_use]
    pub fn trainer(&self) -> &Trainer<P, S> {
        &self.trainer
    }

    /// Returns the directory.
    #[must_use]
    pub fn dir(&self) -> &RunDir {
        &self.run.dir
    }

    /// The second half of [`resume`](EarlierRun::resume): brings the directory to the state of the checkpoint. Also
    /// returns what this changed.
    ///
    /// # Errors
    /// [`Error::RunDir`] or [`Error::Checkpoint`] if the directory cannot be written.
    pub fn go_on(self) -> Result<(Session<P, S>, Changes), Error> {
        let Self { run: EarlierRun { dir, lock, chosen, .. }, trainer, is_extended, trained_on } = self;
        let update = trainer.updates();
        let aside = if chosen { dir.go_back(update)? } else { None };
        if !chosen {
            dir.checkpoints().set_aside_after(update)?;
        }
        dir.cut_evaluations(update)?;
        let (metrics, missing) = dir.metrics_after(update, update.saturating_sub(trainer.faults()))?;
        // Before anything is removed, in case they cannot be written.
        let logs = Logs::open(trainer.config().log, &dir, Some(trainer.env_steps()))?;
        let mut config = Config::clone(trainer.config());
        if !trainer.is_over() {
            dir.remove_outcome()?;
        } else if let Some(device) = trained_on {
            // It is only evaluated elsewhere.
            config.run.device = device;
        }
        let edited = dir.rewrite_config(&config)?;
        let before = metrics.learning_rate().filter(|_| is_extended);
        Ok((Session::new(trainer, dir, Files { metrics, logs }, lock, before), Changes { aside, missing, edited }))
    }
}
