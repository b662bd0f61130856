//! The file that takes what workers print.

use std::{
    fs::{File, read, remove_file},
    io::{Error, Result},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

/// Lines that an error shows.
const SHOWN_LINES: usize = 12;

/// A file that stays, or a temporary one that is removed unless an error has named it.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    is_temporary: bool,
    is_named: AtomicBool,
}

impl Log {
    /// Opens the file at `path`, which is created if it does not exist, or a temporary file.
    pub fn open(path: Option<&Path>) -> Result<Self> {
        let log = |path, is_temporary| Self { path, is_temporary, is_named: AtomicBool::new(false) };
        if let Some(path) = path {
            let log = log(path.into(), false);
            log.append()?;
            return Ok(log);
        }
        let file = tempfile::Builder::new().prefix("burn-pg-python-").suffix(".log").tempfile()?;
        Ok(log(file.into_temp_path().keep()?, true))
    }

    /// Opens the file for a worker. Also returns how long it is.
    pub fn append(&self) -> Result<(File, u64)> {
        let opened = File::options().create(true).append(true).open(&self.path);
        let file = opened.map_err(|error| Error::new(error.kind(), format!("{}: {error}", self.path.display())))?;
        let length = file.metadata()?.len();
        Ok((file, length))
    }

    /// Returns the last lines after the first `begin` bytes, with the name of the file; `None` if there are none.
    pub fn end(&self, begin: u64) -> Option<String> {
        let all = read(&self.path).unwrap_or_default();
        let text = String::from_utf8_lossy(all.get(usize::try_from(begin).ok()?..)?);
        let lines: Vec<&str> = text.trim_end().lines().collect();
        let last = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
        if last.is_empty() {
            return None;
        }
        self.is_named.store(true, Ordering::Relaxed);
        Some(format!("{} ends with:\n{}", self.path.display(), last.join("\n")))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if self.is_temporary && !self.is_named.load(Ordering::Relaxed) {
            let _ = remove_file(&self.path);
        }
    }
}
