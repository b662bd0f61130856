//! What can be wrong with checkpoints.

use std::{io, path::PathBuf};

use burn_pg_envs::EnvError;

use crate::{config::ConfigError, loss::ObjectiveError, optim::OptimiserStateError, storage::tensors::TensorsError};

/// Why a checkpoint cannot be written, or is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// It cannot be written. Those that there were are as they were.
    #[error("{} cannot be written", .path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// It would not be read again: a number in it is not finite, say. It was not written.
    #[error("checkpoint {} could not be read again: {reason}", .path.display())]
    Unreadable {
        /// Folder of the checkpoint.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It cannot be read.
    #[error("{} cannot be read", .path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// It is not what was written: a byte is another, or a file is missing.
    #[error("checkpoint {} is damaged: {reason}", .path.display())]
    Damaged {
        /// Folder of the checkpoint.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It is of a later version of this crate.
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
    /// It is of an earlier version, from which there is no way to this one.
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
    /// Its configuration is refused.
    #[error("the configuration of checkpoint {} cannot be used", .path.display())]
    Config {
        /// Folder of the checkpoint.
        path: PathBuf,
        /// Why.
        source: ConfigError,
    },
    /// There is none of that update.
    #[error("{} has no checkpoint of update {update}", .path.display())]
    Missing {
        /// Folder of the checkpoints.
        path: PathBuf,
        /// The update.
        update: u64,
    },
    /// There are some, and none of them can be loaded.
    #[error("none of the {} checkpoints in {} can be loaded", .errors.len(), .path.display())]
    NoneUsable {
        /// Folder of the checkpoints.
        path: PathBuf,
        /// Why, from the newest to the oldest.
        errors: Vec<CheckpointError>,
    },
}

/// Why a run cannot go on from a checkpoint: it is one of another run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Misfit {
    /// Its weights are those of other networks.
    #[error("the checkpoint does not fit the run: {0}")]
    Tensors(TensorsError),
    /// The state of the optimiser is that of another.
    #[error("the checkpoint does not fit the run: {0}")]
    Optimiser(OptimiserStateError),
    /// The state of the objective is that of another.
    #[error("the checkpoint does not fit the run: {0}")]
    Objective(ObjectiveError),
    /// Its environments are others; or, when it is made, they cannot be saved.
    #[error(transparent)]
    Envs(#[from] EnvError),
    /// It has too few or too many of something.
    #[error("the checkpoint does not fit the run: it has {found} {what}, but {expected} are needed")]
    Count {
        /// Of what.
        what: &'static str,
        /// How many it has.
        found: usize,
        /// How many are needed.
        expected: usize,
    },
    /// A counter is larger than any run can make it.
    #[error("the checkpoint does not fit the run: it has {value} {what}")]
    Counter {
        /// Of what.
        what: &'static str,
        /// How many.
        value: u64,
    },
}

// Not as sources: their messages are a part of ours.
impl From<TensorsError> for Misfit {
    fn from(error: TensorsError) -> Self {
        Self::Tensors(error)
    }
}

impl From<OptimiserStateError> for Misfit {
    fn from(error: OptimiserStateError) -> Self {
        Self::Optimiser(error)
    }
}

impl From<ObjectiveError> for Misfit {
    fn from(error: ObjectiveError) -> Self {
        Self::Objective(error)
    }
}
