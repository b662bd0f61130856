//! Reading and writing the files of a model's folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use burn_pg::storage::durable::{refuse_other_than_file, write_atomically};
use serde::de::DeserializeOwned;

/// Why a file cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file cannot be read.
    #[error("{} cannot be read", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("{} cannot be written", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// The file is not text.
    #[error("{} is not text in UTF-8: byte {at} is wrong", .path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// Offset of the first wrong byte, counted from 0.
        at: usize,
    },
    /// The file is not valid JSON, or its values do not have the types they must have.
    #[error("{} has invalid JSON: {reason}", .path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The reason, with line and column if they are known.
        reason: String,
    },
}

/// Reads a regular file. Links to regular files are followed: the folders that Hugging Face's cache makes consist of
/// them.
///
/// # Errors
/// [`FileError::Read`] if there is no such file, it is not a regular file, or it cannot be read.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let bytes = refuse_other_than_file(path).and_then(|()| fs::read(path));
    bytes.map_err(|source| FileError::Read { path: path.into(), source })
}

/// Reads a file as [`read`] does, or returns `None` if there is none.
fn read_if_present(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // Any other error is reported by the attempt to read.
        _ => read(path).map(Some),
    }
}

/// Parses the bytes of the file `path`.
pub(crate) fn json<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, FileError> {
    serde_json::from_str(text(path, bytes)?).map_err(|error| invalid(path, &error))
}

/// Returns the bytes of the file `path` as text.
fn text<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, FileError> {
    str::from_utf8(bytes).map_err(|error| FileError::NotText { path: path.into(), at: error.valid_up_to() })
}

/// Returns the error for invalid JSON in the file `path`.
pub(crate) fn invalid(path: &Path, reason: &impl ToString) -> FileError {
    FileError::Json { path: path.into(), reason: reason.to_string() }
}

/// Some files of a folder, in memory.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    /// The folder, for errors.
    path: PathBuf,
    files: Vec<(&'static str, Vec<u8>)>,
}

impl Folder {
    /// Returns a folder that is nowhere on disk.
    pub fn in_memory(files: Vec<(&'static str, Vec<u8>)>) -> Self {
        Self { path: PathBuf::new(), files }
    }

    /// Reads those of the files that are in the folder.
    ///
    /// # Errors
    /// [`FileError::Read`] if one of them cannot be read.
    pub fn read(path: &Path, names: &[&'static str]) -> Result<Self, FileError> {
        let mut files = Vec::new();
        for name in names {
            if let Some(bytes) = read_if_present(&path.join(name))? {
                files.push((*name, bytes));
            }
        }
        Ok(Self { path: path.into(), files })
    }

    /// Returns the path of a file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Returns the bytes of a file.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.files.iter().find(|(file, _)| *file == name).map(|(_, bytes)| &bytes[..])
    }

    /// Returns the text of a file.
    pub fn text(&self, name: &str) -> Result<Option<&str>, FileError> {
        self.bytes(name).map(|bytes| text(&self.path(name), bytes)).transpose()
    }

    /// Parses a file.
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, FileError> {
        self.bytes(name).map(|bytes| json(&self.path(name), bytes)).transpose()
    }

    /// Writes the files into another folder, which must exist.
    ///
    /// # Errors
    /// [`FileError::Write`] if one of them cannot be written.
    pub fn write_to(&self, path: &Path) -> Result<(), FileError> {
        self.files.iter().try_for_each(|(name, bytes)| write(&path.join(name), bytes))
    }
}

/// Writes a file completely or not at all. A link at `path` is replaced, and what it points to is left alone.
///
/// # Errors
/// [`FileError::Write`] if `path` exists and is not a regular file, or cannot be written.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let written = refuse_other_than_file(path).and_then(|()| write_atomically(path, bytes));
    written.map_err(|source| FileError::Write { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        assert!(read_if_present(&path).unwrap().is_none());
        let error = read(&path).unwrap_err();
        assert!(matches!(&error, FileError::Read { path: named, .. } if *named == path), "{error}");
    }

    #[test]
    fn bytes_that_are_not_text_are_refused_with_their_place() {
        let error = json::<serde_json::Value>(Path::new("vocab.json"), b"{\"a\xff\": 0}").unwrap_err();
        assert_eq!(error.to_string(), "vocab.json is not text in UTF-8: byte 3 is wrong");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_to_regular_files_only() {
        use std::os::unix::fs::symlink;

        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("blob"), b"{}").unwrap();
        symlink("blob", at("to_file")).unwrap();
        symlink("nowhere", at("broken")).unwrap();
        symlink(".", at("to_folder")).unwrap();

        assert_eq!(read(&at("to_file")).unwrap(), b"{}");
        for refused in ["broken", "to_folder"] {
            assert!(matches!(read_if_present(&at(refused)), Err(FileError::Read { .. })), "{refused}");
            assert!(matches!(write(&at(refused), b"x"), Err(FileError::Write { .. })), "{refused}");
        }

        write(&at("to_file"), b"new").unwrap();
        assert_eq!((read(&at("to_file")).unwrap(), read(&at("blob")).unwrap()), (b"new".to_vec(), b"{}".to_vec()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
    }
}
