//! The checkpoints of a run.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Checkpoint, CheckpointError, folder};
use crate::storage::durable::{
    check_writable, clear_away_leftovers, refuse_other_than_file, sync_folder, write_atomically,
};

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

const BEST: &str = "best.json";
const DAMAGED_BEST: &str = "best.json.damaged";

fn name_of(update: u64) -> String {
    format!("update-{update:09}")
}

/// The update that a folder of this name is the checkpoint of.
fn update_of(name: &str) -> Option<u64> {
    let update = name.strip_prefix("update-")?.parse().ok()?;
    (name == name_of(update)).then_some(update)
}

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
        let prepared = || {
            fs::create_dir_all(&self.path)?;
            sync_folder(&self.path)?;
            clear_away_leftovers(&self.path.join(BEST))?;
            for entry in fs::read_dir(&self.path)? {
                let name = entry?.file_name();
                if let Some(update) = name.to_str().map(folder::meant).and_then(update_of) {
                    folder::clean(&self.path_of(update))?;
                }
            }
            Ok(())
        };
        prepared().map_err(|source| CheckpointError::Write { path: self.path.clone(), source })
    }

    /// Finds out whether checkpoints could be written and removed here. Nothing is changed.
    ///
    /// # Errors
    /// [`CheckpointError::Write`]
    pub fn check_writable(&self) -> Result<(), CheckpointError> {
        let best = self.path.join(BEST);
        for path in [best.clone(), self.path.join(DAMAGED_BEST)] {
            refuse_other_than_file(&path).map_err(|source| CheckpointError::Write { path, source })?;
        }
        check_writable(&best).map_err(|source| CheckpointError::Write { path: self.path.clone(), source })
    }

    /// The folder of the checkpoint of an update.
    #[must_use]
    pub fn path_of(&self, update: u64) -> PathBuf {
        self.path.join(name_of(update))
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
            let entry = entry.map_err(failed)?;
            if entry.path().is_dir() {
                updates.extend(entry.file_name().to_str().and_then(update_of));
            }
        }
        updates.sort_unstable();
        Ok(updates)
    }

    /// Writes a checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError::Write`] or [`CheckpointError::Unreadable`]
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        checkpoint.write(&self.path_of(checkpoint.updates()))
    }

    /// Removes all but the last `keep` (at least 1) and the best.
    ///
    /// # Errors
    /// [`CheckpointError::Write`] or [`CheckpointError::Read`]. What is left is whole.
    pub fn prune(&self, keep: usize) -> Result<(), CheckpointError> {
        let (best, updates) = (self.best()?.map(|best| best.update), self.updates()?);
        let earlier = &updates[..updates.len().saturating_sub(keep.max(1))];
        self.remove(earlier.iter().filter(|&&update| Some(update) != best))
    }

    /// Goes back to the checkpoint of an update: removes those of later ones, and what is known of the best if that is one of
    /// them. A run that goes on from there would be mixed up with what it was before.
    ///
    /// # Errors
    /// [`CheckpointError::Write`] or [`CheckpointError::Read`]
    pub fn go_back(&self, update: u64) -> Result<(), CheckpointError> {
        // The last one first, so that there is no hole at any time; and what is known of the best after it: as long as one that
        // is worse is there, so is that.
        let updates = self.updates()?;
        self.remove(updates.iter().rev().filter(|&&other| other > update))?;
        self.forget_best_after(update)
    }

    /// Puts the checkpoints of later updates aside, as `update-000001200.damaged`: a run that passes over them will come to those
    /// updates again.
    ///
    /// # Errors
    /// [`CheckpointError::Write`] or [`CheckpointError::Read`]
    pub fn set_aside_after(&self, update: u64) -> Result<(), CheckpointError> {
        for later in self.updates()?.into_iter().filter(|&other| other > update) {
            let path = self.path_of(later);
            folder::set_aside(&path).map_err(|source| CheckpointError::Write { path, source })?;
        }
        self.forget_best_after(update)
    }

    fn forget_best_after(&self, update: u64) -> Result<(), CheckpointError> {
        let path = self.path.join(BEST);
        let forgotten = match self.read_best() {
            Ok(Some(best)) if best.update > update => fs::remove_file(&path),
            // Otherwise nothing would be pruned any more.
            Err(CheckpointError::Damaged { .. }) => fs::rename(&path, self.path.join(DAMAGED_BEST)),
            Ok(_) => Ok(()),
            Err(error) => return Err(error),
        };
        forgotten.map_err(|source| CheckpointError::Write { path, source })
    }

    fn remove<'a>(&self, updates: impl Iterator<Item = &'a u64>) -> Result<(), CheckpointError> {
        for &update in updates {
            let path = self.path_of(update);
            folder::remove(&path).map_err(|source| CheckpointError::Write { path, source })?;
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

    /// The newest checkpoint that is whole, and what is wrong with those after it; none if there are no checkpoints.
    ///
    /// # Errors
    /// [`CheckpointError::NoneUsable`] if there are some, but all are damaged. That one is of another version, or cannot be read at
    /// all, is no damage to pass over: [`CheckpointError::Newer`], [`CheckpointError::Older`] or [`CheckpointError::Read`].
    pub fn newest(&self) -> Result<Option<(Checkpoint, Vec<CheckpointError>)>, CheckpointError> {
        loop {
            let (mut errors, mut is_stale) = (Vec::new(), false);
            for update in self.updates()?.into_iter().rev() {
                let path = self.path_of(update);
                match Checkpoint::read(&path) {
                    Ok(checkpoint) => return Ok(Some((checkpoint, errors))),
                    // The process that trains has removed it meanwhile, and written another one before.
                    Err(_) if !path.exists() => is_stale = true,
                    Err(error @ CheckpointError::Damaged { .. }) => errors.push(error),
                    Err(error) => return Err(error),
                }
            }
            match errors.is_empty() {
                _ if is_stale => {}
                true => return Ok(None),
                false => return Err(CheckpointError::NoneUsable { path: self.path.clone(), errors }),
            }
        }
    }

    /// The checkpoint that did best, if one has been evaluated, and is still there.
    ///
    /// # Errors
    /// [`CheckpointError::Read`] or [`CheckpointError::Damaged`]
    pub fn best(&self) -> Result<Option<Best>, CheckpointError> {
        Ok(self.read_best()?.filter(|best| self.path_of(best.update).exists()))
    }

    fn read_best(&self) -> Result<Option<Best>, CheckpointError> {
        let path = self.path.join(BEST);
        let text = match refuse_other_than_file(&path).and_then(|()| fs::read(&path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|source| CheckpointError::Read { path: path.clone(), source })?,
        };
        let best = serde_json::from_slice(&text);
        best.map_err(|error| CheckpointError::Damaged { path, reason: error.to_string() })
    }

    /// Notes how the policy of an update did. Is it the best so far (or as good as it, and later; or nothing legible is known of
    /// the best)?
    ///
    /// # Errors
    /// [`CheckpointError`]: what is known of the best cannot be read or written.
    pub fn note(&self, evaluated: Best) -> Result<bool, CheckpointError> {
        let best = match self.best() {
            Err(CheckpointError::Damaged { .. }) => None,
            best => best?,
        };
        let beaten = best.is_some_and(|best| best.return_mean > evaluated.return_mean);
        if beaten || evaluated.return_mean.is_nan() {
            return Ok(false);
        }
        let path = self.path.join(BEST);
        let written =
            serde_json::to_vec(&evaluated).map_err(io::Error::from).and_then(|text| write_atomically(&path, &text));
        written.map_err(|source| CheckpointError::Write { path, source })?;
        Ok(true)
    }
}
