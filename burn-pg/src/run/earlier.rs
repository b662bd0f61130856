//! A run of an earlier process.

use std::path::Path;

use super::{
    Session, Trainer,
    checkpoint::{Checkpoint, CheckpointError},
    directory::{MissingLines, RunDir, RunDirError, RunLock},
};
use crate::{Config, Error, policy::Policy, source::Source};

/// A run of an earlier process, locked, with the checkpoint to go on from. Nothing in its directory changes until
/// [`resume`](Self::resume).
pub struct EarlierRun {
    dir: RunDir,
    lock: RunLock,
    /// None if the run has come to none.
    checkpoint: Option<Checkpoint>,
    /// What is wrong with checkpoints after that.
    damaged: Vec<CheckpointError>,
    /// Was this very checkpoint asked for?
    chosen: bool,
}

impl EarlierRun {
    /// The run in `path`, to go on from the checkpoint of update `at`, or from the newest that is whole.
    ///
    /// # Errors
    /// [`Error::RunDir`] if it is no run directory or another process trains in it, [`Error::Checkpoint`] if no checkpoint
    /// can be used.
    pub fn open(path: &Path, at: Option<u64>) -> Result<Self, Error> {
        let dir = RunDir::open(path);
        // Nothing is touched in a folder that is none.
        if !path.is_dir() {
            return Err(RunDirError::NotARun(path.into()).into());
        }
        let checkpoints = dir.checkpoints();
        if checkpoints.updates()?.is_empty() {
            dir.config()?;
        }
        let lock = dir.lock()?;
        checkpoints.prepare()?;
        let (checkpoint, damaged) = match at {
            Some(update) => (Some(checkpoints.load(update)?), Vec::new()),
            None => match checkpoints.newest()? {
                None => (None, Vec::new()),
                Some((checkpoint, damaged)) => (Some(checkpoint), damaged),
            },
        };
        if checkpoint.is_none() && dir.policy_path().exists() {
            return Err(RunDirError::NoCheckpoint(path.into()).into());
        }
        Ok(Self { dir, lock, checkpoint, damaged, chosen: at.is_some() })
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &RunDir {
        &self.dir
    }

    /// The checkpoint that the run goes on from; none if it begins anew.
    #[must_use]
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref()
    }

    /// Newer checkpoints that are damaged, and are passed over.
    #[must_use]
    pub fn damaged(&self) -> &[CheckpointError] {
        &self.damaged
    }

    /// The settings of the run: those of the checkpoint, or without one those of the directory.
    ///
    /// # Errors
    /// [`Error::RunDir`] if they cannot be read.
    pub fn config(&self) -> Result<Config, Error> {
        match &self.checkpoint {
            Some(checkpoint) => Ok(checkpoint.config().clone()),
            None => Ok(self.dir.config()?),
        }
    }

    /// Goes on with `trainer`, which is made of the same parts as the run was, exactly where the checkpoint is. Metrics and
    /// checkpoints after it are removed or set aside.
    ///
    /// # Errors
    /// [`Error::Misfit`] if the checkpoint is of a run with other parts; nothing in the directory has changed then.
    /// [`Error::RunDir`] or [`Error::Checkpoint`] if the directory cannot be written.
    pub fn resume<P: Policy, S: Source<P>>(self, trainer: Trainer<P, S>) -> Result<Session<P, S>, Error> {
        self.restore(trainer)?.go_on().map(|(session, _)| session)
    }

    /// The first half of [`resume`](Self::resume): brings `trainer` to the checkpoint, and finds out whether the directory can
    /// be written. Nothing in it changes.
    ///
    /// # Errors
    /// As [`resume`](Self::resume).
    pub fn restore<P: Policy, S: Source<P>>(mut self, mut trainer: Trainer<P, S>) -> Result<Restored<P, S>, Error> {
        if let Some(checkpoint) = self.checkpoint.take() {
            trainer.restore(checkpoint)?;
        }
        self.dir.check_writable()?;
        self.dir.checkpoints().check_writable()?;
        Ok(Restored { run: self, trainer })
    }
}

/// A run that was brought to its checkpoint, and is about to go on.
pub struct Restored<P: Policy, S: Source<P>> {
    run: EarlierRun,
    trainer: Trainer<P, S>,
}

impl<P: Policy, S: Source<P>> Restored<P, S> {
    /// The run itself.
    #[must_use]
    pub fn trainer(&self) -> &Trainer<P, S> {
        &self.trainer
    }

    /// Brings the directory to the checkpoint. Says if metrics before it are missing.
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
