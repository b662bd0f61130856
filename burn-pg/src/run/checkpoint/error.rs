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
    #[error("{} has no checkpoint of update {update}{}", .path.display(), others_hint(.others))]
    Missing {
        /// Folder of the checkpoints.
        path: PathBuf,
        /// The update.
        update: u64,
        /// The updates of the checkpoints that there are.
        others: Vec<u64>,
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

/// Says which checkpoints there are: all of a few, or else the first and the last ones.
fn others_hint(others: &[u64]) -> String {
    const ENDS: usize = 4;
    let named = |updates: &[u64]| updates.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    match others {
        [] => ", nor any other".into(),
        [one] => format!("; there is one of update {one}"),
        [all @ .., last] if all.len() < 3 * ENDS => format!("; there are those of updates {} and {last}", named(all)),
        [first @ .., last] => {
            let (begin, end) = (&first[..ENDS], &first[first.len() - ENDS..]);
            let between = first.len() - 2 * ENDS;
            format!("; there are those of updates {}, {between} more, {} and {last}", named(begin), named(end))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkpoints_that_there_are_are_named() {
        assert_eq!(others_hint(&[]), ", nor any other");
        assert_eq!(others_hint(&[7]), "; there is one of update 7");
        assert_eq!(others_hint(&[7, 9, 12]), "; there are those of updates 7, 9 and 12");
        let many: Vec<u64> = (1..=100).collect();
        let told = "; there are those of updates 1, 2, 3, 4, 91 more, 96, 97, 98, 99 and 100";
        assert_eq!(others_hint(&many), told);
    }
}
