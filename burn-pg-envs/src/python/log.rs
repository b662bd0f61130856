//! The file that takes what workers print.

use std::{
    fs::{File, metadata, remove_file},
    io::{Error, Result},
    path::{Path, PathBuf},
};

/// A file that stays, or a temporary one that is removed if nothing has been printed.
pub struct Log {
    path: PathBuf,
    is_temporary: bool,
}

impl Log {
    /// Opens the file at `path`, which is created if it does not exist, or a temporary file.
    pub fn open(path: Option<&Path>) -> Result<Self> {
        if let Some(path) = path {
            let opened = File::options().create(true).append(true).open(path);
            opened.map_err(|error| Error::new(error.kind(), format!("{}: {error}", path.display())))?;
            return Ok(Self { path: path.into(), is_temporary: false });
        }
        let file = tempfile::Builder::new().prefix("burn-pg-python-").suffix(".log").tempfile()?;
        Ok(Self { path: file.into_temp_path().keep()?, is_temporary: true })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if self.is_temporary && metadata(&self.path).is_ok_and(|file| file.len() == 0) {
            let _ = remove_file(&self.path);
        }
    }
}
