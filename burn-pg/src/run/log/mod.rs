//! Metrics in the formats of other programs: [`TensorBoard`] and [`Csv`].
//!
//! Both are [observers](super::Observer) of a run. A [`Session`](super::Session) adds those that the table `log` of the configuration
//! turns on.

mod csv;
mod logs;
mod tensorboard;

use std::{io, path::PathBuf};

pub use csv::Csv;
pub(super) use logs::Logs;
pub use tensorboard::TensorBoard;

/// A log that cannot be written. The run then ends, because a log with a gap would be misread; its policy is saved.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be written", .path.display())]
pub struct LogError {
    /// The file or folder.
    pub path: PathBuf,
    /// The error of the file system.
    pub source: io::Error,
}
