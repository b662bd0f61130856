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

/// The checkpoint whose policy had the highest mean return.
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

/// Returns the update of a checkpoint from the name of its folder.
fn update_of(name: &str) -> Option<u64> {
    let update = name.strip_prefix("update-")?.parse().ok()?;
    (name == name_of(update)).then_some(update)
}

impl Checkpoints {
    /// Returns the checkpoints in the folder `path`, which need not exist yet.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.into() }
    }

    /// Creates the folder if it does not exist, and cleans up checkpoints that a crash left unfinished.
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
                if let Some(update) = name.to_str().map(folder::base_name).and_then(update_of) {
                    folder::clean(&self.path_of(update))?;
                }
            }
            Ok(())
        };
        prepared().map_err(|source| CheckpointError::Write { path: self.path.clone(), source })
    }

    /// Checks that checkpoints can be written and removed here. No file is changed.
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

    /// Returns the path of the checkpoint of `update`.
    #[must_use]
    pub fn path_of(&self, update: u64) -> PathBuf {
        self.path.join(name_of(update))
    }

    /// Returns the updates that have a checkpoint, whole or damaged, in ascending order.
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

    /// Removes all checkpoints except the last `keep` (at least 1) and the best.
    ///
    /// # Errors
    /// [`CheckpointError::Write`] or [`CheckpointError::Read`], or [`CheckpointError::Damaged`] if the record of the
    /// best cannot be read. The remaining checkpoints are whole.
    pub fn prune(&self, keep: usize) -> Result<(), CheckpointError> {
        let (best, updates) = (self.best()?.map(|best| best.update), self.updates()?);
        let earlier = &updates[..updates.len().saturating_sub(keep.max(1))];
        self.each(earlier.iter().copied().filter(|&update| Some(update) != best), folder::remove)
    }

    /// Moves the checkpoints after `update` to the folder of `to`, which must not contain checkpoints of these updates,
    /// and the record of the best checkpoint if it is one of them. Otherwise a run that resumes from `update` would be
    /// mixed with its earlier continuation.
    ///
    /// # Errors
    /// [`CheckpointError::Write`] or [`CheckpointError::Read`]
    pub fn move_after(&self, update: u64, to: &Self) -> Result<(), CheckpointError> {
        // The last checkpoint is moved first, so that a crash never leaves a gap. The record of the best is moved last,
        // so that it stays as long as any checkpoint that is worse.
        for later in self.updates()?.into_iter().rev().filter(|&other| other > update) {
            let (from, to) = (self.path_of(later), to.path_of(later));
            let moved = fs::rename(&from, &to).and_then(|()| sync_folder(&to)).and_then(|()| sync_folder(&from));
            moved.map_err(|source| CheckpointError::Write { path: to, source })?;
        }
        if let Ok(Some(best)) = self.read_best()
            && best.update > update
        {
            to.note(best)?;
        }
        self.remove_best_after(update)
    }

    /// Renames the checkpoints after `update`, for example to `update-000001200.damaged`, because the resumed run will
    /// write checkpoints of those updates again.
    ///
    /// # Errors
    /// [`CheckpointError::Write`] or [`CheckpointError::Read`]
    pub fn set_aside_after(&self, update: u64) -> Result<(), CheckpointError> {
        self.each(self.updates()?.into_iter().filter(|&other| other > update), folder::set_aside)?;
        self.remove_best_after(update)
    }

    fn remove_best_after(&self, update: u64) -> Result<(), CheckpointError> {
        let path = self.path.join(BEST);
        let removed = match self.read_best() {
            Ok(Some(best)) if best.update > update => fs::remove_file(&path),
            // A damaged record would stop all later pruning.
            Err(CheckpointError::Damaged { .. }) => fs::rename(&path, self.path.join(DAMAGED_BEST)),
            Ok(_) => Ok(()),
            Err(error) => return Err(error),
        };
        removed.map_err(|source| CheckpointError::Write { path, source })
    }

    fn each(&self, all: impl Iterator<Item = u64>, how: fn(&Path) -> io::Result<()>) -> Result<(), CheckpointError> {
        for update in all {
            let path = self.path_of(update);
            how(&path).map_err(|source| CheckpointError::Write { path, source })?;
        }
        Ok(())
    }

    /// Reads the checkpoint of `update`.
    ///
    /// # Errors
    /// [`CheckpointError`] if there is none, or it cannot be read.
    pub fn load(&self, update: u64) -> Result<Checkpoint, CheckpointError> {
        let updates = self.updates()?;
        if !updates.contains(&update) {
            return Err(CheckpointError::Missing { path: self.path.clone(), update, others: updates });
        }
        Checkpoint::read(&self.path_of(update))
    }

    /// Reads the newest whole checkpoint, and returns it with the errors of the damaged ones after it; `None` if there
    /// are no checkpoints.
    ///
    /// # Errors
    /// [`CheckpointError::NoneUsable`] if all checkpoints are damaged. A checkpoint that has another version, an
    /// invalid configuration, or cannot be read is not skipped: [`CheckpointError::Newer`], [`CheckpointError::Older`],
    /// [`CheckpointError::Config`] or [`CheckpointError::Read`].
    pub fn newest(&self) -> Result<Option<(Checkpoint, Vec<CheckpointError>)>, CheckpointError> {
        loop {
            let (mut errors, mut is_stale) = (Vec::new(), false);
            for update in self.updates()?.into_iter().rev() {
                let path = self.path_of(update);
                match Checkpoint::read(&path) {
                    Ok(checkpoint) => return Ok(Some((checkpoint, errors))),
                    // The process that trains removed it after the listing, when it had written a newer one.
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

    /// Returns the best checkpoint, if one has been evaluated and still exists.
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

    /// Records the evaluation of a checkpoint if it is the best so far, and returns whether it is. The return must be
    /// at least that of the recorded best. Without a readable record of an existing checkpoint, any return except NaN
    /// is the best.
    ///
    /// # Errors
    /// [`CheckpointError`] if the record of the best cannot be read or written.
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
