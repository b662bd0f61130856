//! Claiming a folder for a run and locking it for one process.

use std::{
    fs::{self, DirEntry, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};

use super::{LOCK, RunDir, RunDirError};
use crate::storage::durable::{clear_away_leftovers, refuse_other_than_file, sync_folder};

impl RunDir {
    /// Claims `path` for a new run. `path` must not exist, or be an empty folder, or a folder in which no run has
    /// started: it contains only a lock file that no process [holds](Self::lock).
    ///
    /// # Errors
    /// [`RunDirError::Used`] or [`RunDirError::Write`].
    pub fn create(path: &Path) -> Result<Self, RunDirError> {
        let failed = |source| RunDirError::Write { path: path.into(), source };
        fs::create_dir_all(path).map_err(failed)?;
        let entries: io::Result<Vec<DirEntry>> = fs::read_dir(path).map_err(failed)?.collect();
        // A process that was killed before it wrote anything leaves its lock file, unlocked.
        let lock = path.join(LOCK);
        let abandoned = || lock.is_file() && File::open(&lock).is_ok_and(|file| file.try_lock().is_ok());
        let run = Self { path: path.into() };
        match &entries.map_err(failed)?[..] {
            [] => {}
            // The lock file is not removed: another process might hold it by then.
            [entry] if entry.file_name() == LOCK && abandoned() => return Ok(run),
            _ => return Err(RunDirError::Used(path.into())),
        }
        // The lock file is created now, so that two processes never share the folder, and a folder without write
        // permission is found before training.
        match File::create_new(&lock) {
            Ok(_) => sync_folder(path).map_err(failed)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(RunDirError::Used(path.into())),
            Err(source) => return Err(failed(source)),
        }
        Ok(run)
    }

    /// Claims a new folder in `parent` with the name `name`, or `name-2`, `name-3` and so on if those exist.
    ///
    /// # Errors
    /// [`RunDirError::Write`], or [`RunDirError::Used`] if another process writes into the folder at the same moment.
    pub fn create_numbered(parent: &Path, name: &str) -> Result<Self, RunDirError> {
        let failed = |source| RunDirError::Write { path: parent.into(), source };
        fs::create_dir_all(parent).map_err(failed)?;
        Self::create(&create_numbered_folder(parent, name)?)
    }

    /// Locks the directory for this process until the returned lock is dropped. The operating system also unlocks it if
    /// the process dies.
    ///
    /// # Errors
    /// [`RunDirError::Locked`] or [`RunDirError::Write`].
    pub fn lock(&self) -> Result<RunLock, RunDirError> {
        let path = self.path.join(LOCK);
        let open = || OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = refuse_other_than_file(&path).and_then(|()| open());
        let file = file.map_err(|source| RunDirError::Write { path: path.clone(), source })?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(RunDirError::Locked(self.path.clone())),
            // Some file systems do not support locks; the run then continues without one.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(source)) => return Err(RunDirError::Write { path, source }),
        }
        for name in Self::FILES {
            let cleared = clear_away_leftovers(&self.path.join(name));
            cleared.map_err(|source| RunDirError::Write { path: self.path.clone(), source })?;
        }
        Ok(RunLock { _file: file })
    }
}

impl RunDir {
    /// True if a process is training in the directory now.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        let lock = File::open(self.path.join(LOCK));
        lock.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

/// Creates a new folder in `parent` with the name `name`, or `name-2`, `name-3` and so on if those exist. Only one process
/// can create a folder, so two never get the same one.
pub(super) fn create_numbered_folder(parent: &Path, name: &str) -> Result<PathBuf, RunDirError> {
    let (mut path, mut number) = (parent.join(name), 1);
    loop {
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(source) => return Err(RunDirError::Write { path, source }),
        }
        path = parent.join(format!("{name}-{number}"));
    }
}

/// The lock of a run directory for one process. Dropping it unlocks the directory.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}
