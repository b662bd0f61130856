//! Errors of checkpoints.

use std::{io, path::PathBuf};

use crate::config::ConfigError;

/// Why a checkpoint cannot be written, or is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The checkpoint cannot be written. Existing checkpoints are unchanged.
    #[error("{} cannot be written", .path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// The checkpoint could not be read back, for example because a value in it is not finite. It was not written.
    #[error("checkpoint {} could not be read again: {reason}", .path.display())]
    Unreadable {
        /// Folder of the checkpoint.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The checkpoint cannot be read.
    #[error("{} cannot be read", .path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// The checkpoint is not as it was written: a byte has changed, or a file is missing.
    #[error("checkpoint {} is damaged: {reason}", .path.display())]
    Damaged {
        /// Folder of the checkpoint.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The checkpoint is from a later version of this crate.
    #[error(
        "checkpoint {} has schema {schema} (of version {version}), and this version knows schemas up to {newest}",
        .path.display()
    )]
    Newer {
        /// Folder of the checkpoint.
        path: PathBuf,
        /// Its schema.
        schema: u32,
        /// The version that wrote it.
        version: String,
        /// The newest schema that is known.
        newest: u32,
    },
    /// The checkpoint is from an earlier version that this version cannot read.
    #[error(
        "checkpoint {} has schema {schema} (of version {version}), which this version no longer reads",
        .path.display()
    )]
    Older {
        /// Folder of the checkpoint.
        path: PathBuf,
        /// Its schema.
        schema: u32,
        /// The version that wrote it.
        version: String,
    },
    /// The configuration of the checkpoint is invalid.
    #[error("the configuration of checkpoint {} cannot be used", .path.display())]
    Config {
        /// Folder of the checkpoint.
        path: PathBuf,
        /// Why.
        source: ConfigError,
    },
    /// There is no checkpoint of that update.
    #[error("{} has no checkpoint of update {update}{}", .path.display(), newest_hint(*.newest))]
    Missing {
        /// Folder of the checkpoints.
        path: PathBuf,
        /// The update.
        update: u64,
        /// The update of the newest checkpoint, if there is one.
        newest: Option<u64>,
    },
    /// There are checkpoints, but none of them can be loaded.
    #[error("none of the {} checkpoints in {} can be loaded", .errors.len(), .path.display())]
    NoneUsable {
        /// Folder of the checkpoints.
        path: PathBuf,
        /// Why, from the newest to the oldest.
        errors: Vec<CheckpointError>,
    },
}

fn newest_hint(newest: Option<u64>) -> String {
    newest.map_or_else(|| ", nor any other".into(), |update| format!("; the newest is that of update {update}"))
}
