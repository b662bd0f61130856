//! Errors of run directories.

use std::{io, path::PathBuf};

use crate::config::{ConfigError, ConfigFileError};

/// A normaliser of observations of one value.
const EXAMPLE: &str = r#"{"moments":{"mean":[0.5],"variance":[2.0],"count":1000},"clip":10}"#;

/// Why a run directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunDirError {
    /// The folder is not empty. Nothing was changed.
    #[error("{} is already used; choose a folder that is empty or does not exist", .0.display())]
    Used(PathBuf),
    /// Another process is training in the directory. Nothing was changed.
    #[error("another process is training in {}", .0.display())]
    Locked(PathBuf),
    /// There is no run in that path.
    #[error("{} is not a run directory: {reason}", .path.display())]
    NotARun {
        /// The path.
        path: PathBuf,
        /// The reason.
        reason: &'static str,
    },
    /// The directory has settings, but no trained networks.
    #[error("{} has no policy yet: policy.safetensors is written at the end of a run", .0.display())]
    NoPolicy(PathBuf),
    /// The directory has a policy or a summary but no checkpoint: the run failed before its first checkpoint, its source cannot be
    /// saved, or the policy was imported.
    #[error(
        "{} has results but no checkpoint, so training would start again; train into another folder (`--init-from` \
         continues with a policy)",
        .0.display()
    )]
    NoCheckpoint(PathBuf),
    /// A line of `metrics.jsonl` is invalid.
    #[error("line {line} of {} is not valid: {reason}", .path.display())]
    Metrics {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The reason.
        reason: String,
    },
    /// The directory or a file in it cannot be created or written.
    #[error("{} cannot be written", .path.display())]
    Write {
        /// The directory or file.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// The directory, or a file in it, is no longer what this process writes to. Nothing more is written.
    #[error("{} was removed, moved or replaced while the run went on", .0.display())]
    Gone(PathBuf),
    /// A file of the directory cannot be read.
    #[error("{} cannot be read", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// `config.toml` cannot be read, or is not valid TOML.
    #[error(transparent)]
    ConfigFile(#[from] ConfigFileError),
    /// `config.toml` names no environment, and no other source.
    #[error("{} has no table `env`", .path.display())]
    NoEnv {
        /// The file.
        path: PathBuf,
    },
    /// `normalizer.json` is not an observation normaliser.
    #[error("{} is not a normaliser: {reason}; a valid one is {EXAMPLE}", .path.display())]
    Normalizer {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The metadata of `policy.safetensors` cannot be read.
    #[error("{} has metadata that cannot be read: {reason}", .path.display())]
    Provenance {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// `environment.json` or `normalizer.json` is not the file that the policy was saved with.
    #[error("{} is not the file that the policy was saved with; restore it, or use the policy of a checkpoint", .path.display())]
    OfAnotherPolicy {
        /// The file.
        path: PathBuf,
    },
    /// The directory has no `environment.json`.
    #[error(
        "{} is missing; restore it, or use the policy of a checkpoint (an early version of burn-pg saved policies without \
         this file)",
        .path.display()
    )]
    NoEnvironment {
        /// The file.
        path: PathBuf,
    },
    /// `environment.json` is not the specification of an environment.
    #[error("{} is not the specification of an environment: {reason}", .path.display())]
    Environment {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// `config.toml` has an invalid setting.
    #[error("{}{} cannot be used: {reason}", .path.display(), written_by(.version.as_deref()))]
    Config {
        /// The file.
        path: PathBuf,
        /// The version of burn-pg that wrote it, if that is another one.
        version: Option<String>,
        /// The reason, with the lines of the settings.
        reason: String,
        /// The error of the configuration.
        error: Box<ConfigError>,
    },
}

fn written_by(version: Option<&str>) -> String {
    version.map_or_else(String::new, |version| format!(", which burn-pg {version} wrote,"))
}
