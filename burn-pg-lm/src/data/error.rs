//! Why data cannot be used.

use std::path::PathBuf;

use crate::files::FileError;

/// Why data cannot be read, or pairs cannot be drawn from it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A line is not text.
    #[error("line {line} of {} is not text in UTF-8: byte {at} of the line is wrong", .path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// Offset of the first wrong byte in the line, counted from 0.
        at: usize,
    },
    /// A line does not hold what it must hold.
    #[error("line {line} of {}: {reason}", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// All lines of the file are blank.
    #[error("{} has no records: all of its lines are blank", .path.display())]
    NoRecords {
        /// The file.
        path: PathBuf,
    },
    /// Pairs cannot be drawn from fewer than two texts.
    #[error("there are {texts} rated texts; pairs need at least 2")]
    TooFewTexts {
        /// Number of texts.
        texts: usize,
    },
    /// Too many of the pairs that were drawn have equal ratings.
    #[error(
        "{drawn} of {wanted} pairs were found in {attempts} attempts, because almost all ratings or texts are equal; use \
         ratings that differ more often"
    )]
    EqualRatings {
        /// Number of pairs that were found.
        drawn: usize,
        /// Number of pairs that were asked for.
        wanted: usize,
        /// Number of attempts.
        attempts: usize,
    },
}
