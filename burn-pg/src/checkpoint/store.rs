//! The checkpoints of a run.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Checkpoint, CheckpointError, folder};
use crate::durable::write_atomically;

/// The checkpoints of a run: a folder of folders `update-000001200`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoints {
    path: PathBuf,
}

/// The checkpoint whose policy did best.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Its update.
    pub update: u64,
    /// The mean return of its evaluation.
    pub return_mean: f64,
}

const PREFIX: &str = "update-";
const BEST: &str = "best.json";

impl Checkpoints {
    /// Those in the folder `path`, which need not exist yet.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.into() }
    }

    /// Makes the folder if need be, and clears away what a crash has left of unfinished checkpoints.
    ///
    /// # Errors
    /// [`CheckpointError::Write`]
    pub fn prepare(&self) -> Result<(), CheckpointError> {
        let made = fs::create_dir_all(&self.path).and_then(|()| folder::clean(&self.path));
        made.map_err(|source| CheckpointError::Write { path: self.path.clone(), source })
    }

    /// The folder of the checkpoint of an update.
    #[must_use]
    pub fn path_of(&self, update: u64) -> PathBuf {
        self.path.join(format!("{PREFIX}{update:09}"))
    }

    /// The updates that there are checkpoints of, whole or damaged, from the first to the last.
    ///
    /// # Errors
    /// [`CheckpointError::Read`]
    pub fn updates(&self) -> Result<Vec<u64>, CheckpointError> {
        let failed = |source| CheckpointError::Read { path: self.path.clone(), source };
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut updates = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            updates.extend(name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse::<u64>().ok()));
        }
        updates.sort_unstable();
        Ok(updates)
    }

    /// Writes a checkpoint. Then removes all but the last `keep` (at least this one) and the best.
    ///
    /// # Errors
    /// [`CheckpointError::Write`] or [`CheckpointError::Read`]. If it cannot be written, nothing is removed.
    pub fn save(&self, checkpoint: &Checkpoint, keep: usize) -> Result<(), CheckpointError> {
        let update = checkpoint.updates();
        checkpoint.write(&self.path_of(update))?;
        let best = self.best().map(|best| best.update);
        // Later ones are of a run that was gone back from.
        let earlier: Vec<u64> = self.updates()?.into_iter().filter(|&other| other < update).collect();
        let kept = earlier.len().saturating_sub(keep.saturating_sub(1));
        for &update in earlier[..kept].iter().filter(|&&update| Some(update) != best) {
            let path = self.path_of(update);
            fs::remove_dir_all(&path).map_err(|source| CheckpointError::Write { path, source })?;
        }
        Ok(())
    }

    /// The checkpoint of one update.
    ///
    /// # Errors
    /// [`CheckpointError`]: there is none, or it cannot be read.
    pub fn load(&self, update: u64) -> Result<Checkpoint, CheckpointError> {
        if !self.updates()?.contains(&update) {
            return Err(CheckpointError::Missing { path: self.path.clone(), update });
        }
        Checkpoint::read(&self.path_of(update))
    }

    /// The newest checkpoint that can be loaded, and what is wrong with those after it; none if there are no checkpoints.
    ///
    /// # Errors
    /// [`CheckpointError::NoneUsable`] if there are some, but none can be loaded; [`CheckpointError::Newer`] if one is of a later
    /// version, which is no damage to pass over; [`CheckpointError::Read`] if the folder cannot be read.
    pub fn newest(&self) -> Result<Option<(Checkpoint, Vec<CheckpointError>)>, CheckpointError> {
        let mut errors = Vec::new();
        for update in self.updates()?.into_iter().rev() {
            match Checkpoint::read(&self.path_of(update)) {
                Ok(checkpoint) => return Ok(Some((checkpoint, errors))),
                Err(error @ (CheckpointError::Newer { .. } | CheckpointError::Older { .. })) => return Err(error),
                Err(error) => errors.push(error),
            }
        }
        match errors.is_empty() {
            true => Ok(None),
            false => Err(CheckpointError::NoneUsable { path: self.path.clone(), errors }),
        }
    }

    /// The checkpoint that did best, if evaluations were asked for and one has been.
    #[must_use]
    pub fn best(&self) -> Option<Best> {
        serde_json::from_slice(&fs::read(self.path.join(BEST)).ok()?).ok()
    }

    /// Notes how the policy of an update did. Is it the best so far (or as good as it, and later)?
    ///
    /// # Errors
    /// [`CheckpointError::Write`]
    pub fn note(&self, evaluated: Best) -> Result<bool, CheckpointError> {
        let beaten = self.best().is_some_and(|best| best.return_mean > evaluated.return_mean);
        if beaten {
            return Ok(false);
        }
        let path = self.path.join(BEST);
        let written =
            serde_json::to_vec(&evaluated).map_err(io::Error::from).and_then(|text| write_atomically(&path, &text));
        written.map_err(|source| CheckpointError::Write { path, source })?;
        Ok(true)
    }
}
