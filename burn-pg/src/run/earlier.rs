//! Runs of an earlier process.

use std::path::Path;

use super::{
    Session, Trainer,
    checkpoint::{Checkpoint, CheckpointError},
    directory::{MissingLines, RunDir, RunDirError, RunLock},
};
use crate::{Config, Error, policy::Policy, source::Source};

/// A run of an earlier process, locked, with the checkpoint to resume from. Until [`resume`](Self::resume) its
/// directory is unchanged, except that leftovers of a crash are removed.
pub struct EarlierRun {
    dir: RunDir,
    lock: RunLock,
    /// `None` if the run has saved none.
    checkpoint: Option<Checkpoint>,
    /// What is wrong with newer checkpoints.
    damaged: Vec<CheckpointError>,
    /// True if the caller chose the checkpoint.
    chosen: bool,
}

impl EarlierRun {
    /// Opens the run in `path`, to resume from the checkpoint of update `at`, or from the newest undamaged one.
    ///
    /// # Errors
    /// [`Error::RunDir`] if `path` is not a run directory, if another process trains in it, or if it has a policy but
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
        if checkpoint.is_none() && dir.policy_path().exists() {
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
    /// after the checkpoint are removed. Later checkpoints are removed if the checkpoint was chosen with `at`,
    /// otherwise set aside.
    ///
    /// # Errors
    /// [`Error::Misfit`] if the checkpoint is of a run with other parts, or there is none because the source cannot be saved;
    /// the directory is then unchanged.
    /// [`Error::RunDir`] or [`Error::Checkpoint`] if the directory cannot be written.
    pub fn resume<P: Policy, S: Source<P>>(self, trainer: Trainer<P, S>) -> Result<Session<P, S>, Error> {
        self.restore(trainer)?.go_on().map(|(session, _)| session)
    }

    /// The first half of [`resume`](Self::resume): restores the checkpoint into `trainer` and checks that the directory
    /// can be written. The directory is not changed.
    ///
    /// # Errors
    /// As [`resume`](Self::resume).
    pub fn restore<P: Policy, S: Source<P>>(mut self, mut trainer: Trainer<P, S>) -> Result<Restored<P, S>, Error> {
        if let Some(checkpoint) = self.checkpoint.take() {
            trainer.restore(checkpoint)?;
        } else if let Some(reason) = trainer.why_unsaved() {
            // Starting again would erase the metrics of a run that cannot be resumed.
            return Err(reason.into());
        }
        self.dir.check_writable()?;
        self.dir.checkpoints().check_writable()?;
        Ok(Restored { run: self, trainer })
    }
}

/// A run whose checkpoint is restored, before its directory is changed.
pub struct Restored<P: Policy, S: Source<P>> {
    run: EarlierRun,
    trainer: Trainer<P, S>,
}

impl<P: Policy, S: Source<P>> Restored<P, S> {
    /// Returns the trainer.
    #[must_use]
    pub fn trainer(&self) -> &Trainer<P, S> {
        &self.trainer
    }

    /// The second half of [`resume`](EarlierRun::resume): brings the directory to the state of the checkpoint. Also
    /// reports metrics that are missing before the checkpoint.
    ///
    /// # Errors
    /// [`Error::RunDir`] or [`Error::Checkpoint`] if the directory cannot be written.
    pub fn go_on(self) -> Result<(Session<P, S>, Option<MissingLines>), Error> {
        let Self { run: EarlierRun { dir, lock, chosen, .. }, trainer } = self;
        let (checkpoints, update) = (dir.checkpoints(), trainer.updates());
        match update {
            update if chosen => checkpoints.go_back(update)?,
            0 => {}
            update => checkpoints.set_aside_after(update)?,
        }
        let (metrics, missing) = dir.metrics_after(update, update.saturating_sub(trainer.faults()))?;
        if !trainer.is_over() {
            dir.forget_the_end()?;
        }
        dir.write_config(trainer.config())?;
        Ok((Session::new(trainer, dir, metrics, lock), missing))
    }
}
