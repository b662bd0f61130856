//! Why a run directory cannot be used.

use std::{io, path::PathBuf};

use crate::config::ConfigError;

/// Why a run directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunDirError {
    /// There is something in it already. Nothing was touched.
    #[error("{} is already used; choose a folder that is empty or does not exist", .0.display())]
    Used(PathBuf),
    /// Another process trains in it. Nothing was touched.
    #[error("another process is training in {}", .0.display())]
    Locked(PathBuf),
    /// There is no such directory.
    #[error("{} is not a run directory", .0.display())]
    NotARun(PathBuf),
    /// It has a policy, and no checkpoint: the run failed before its first one, or the policy was imported.
    #[error("{} has a policy, and no checkpoint to go on from: it would begin again; train into another folder", .0.display())]
    NoCheckpoint(PathBuf),
    /// A line of `metrics.jsonl` is not one.
    #[error("line {line} of {} is not valid: {reason}", .path.display())]
    Metrics {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// It cannot be made or written to.
    #[error("{} cannot be written", .path.display())]
    Write {
        /// The directory or file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// A file of it cannot be read.
    #[error("{} cannot be read", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// Its `config.toml` is not TOML.
    #[error("{} is not valid TOML: {reason}", .path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// Its `normalizer.json` is not one.
    #[error("{} is not a normaliser: {reason}", .path.display())]
    Normalizer {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It has a policy, and no `environment.json`.
    #[error(
        "{} is missing; an earlier version of burn-pg saved the policy without it: train again with this version",
        .path.display()
    )]
    NoEnvironment {
        /// The file.
        path: PathBuf,
    },
    /// Its `environment.json` is not the specification of an environment.
    #[error("{} is not the specification of an environment: {reason}", .path.display())]
    Environment {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Its `config.toml` holds a setting that is refused.
    #[error("{} cannot be used", .path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ConfigError,
    },
}
