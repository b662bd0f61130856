//! The directory of a run: its settings, its metrics and its results.
//!
//! | file | content |
//! | --- | --- |
//! | `config.toml` | all settings, resolved: enough to repeat the run |
//! | `metrics.jsonl` | one [`UpdateStats`](crate::UpdateStats) a line |
//! | `evaluations.jsonl` | one [`Evaluated`](crate::run::Evaluated) a line, if checkpoints are evaluated |
//! | `metrics.csv`, `tensorboard/` | the metrics for other programs, if the table `log` of the settings says so |
//! | `policy.safetensors` | the trained networks, and the settings that they were trained with |
//! | `environment.json` | the specification of the environment |
//! | `normalizer.json` | the observation normaliser, if observations are normalised |
//! | `summary.json` | the outcome |
//! | `checkpoints/` | [checkpoints](crate::run::checkpoint), to resume from |
//! | `.lock` | locked by the process that trains |

mod aside;
mod claim;
mod edited;
mod error;
mod evaluations;
mod json;
mod metrics_file;
mod provenance;

use std::{
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use burn_pg_envs::{EnvSpec, wrapper::ObservationNormalizer};
use serde::Serialize;

use crate::{
    config::{Config, ConfigFile},
    run::checkpoint::{Checkpoints, is_checkpoint},
    storage::durable::{check_writable, refuse_other_than_file, write_atomically},
};

pub use claim::RunLock;
pub use error::RunDirError;
pub(in crate::run) use metrics_file::valid_metrics;
pub use metrics_file::{MetricsFile, MissingLines, find_metrics, read_metrics};
pub(in crate::run) use provenance::Provenance;

const CONFIG: &str = "config.toml";
/// The start of the first line of `config.toml`, before the version.
const WRITTEN_BY: &str = "# burn-pg ";
const METRICS: &str = "metrics.jsonl";
/// One [`Evaluated`](crate::run::Evaluated) a line.
const EVALUATIONS: &str = "evaluations.jsonl";
const CSV: &str = "metrics.csv";
const TENSORBOARD: &str = "tensorboard";
const POLICY: &str = "policy.safetensors";
const ENVIRONMENT: &str = "environment.json";
const NORMALIZER: &str = "normalizer.json";
const SUMMARY: &str = "summary.json";
const CHECKPOINTS: &str = "checkpoints";
/// Locked by the process that trains.
const LOCK: &str = ".lock";

/// The directory of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// The names of the files, without the folder of checkpoints.
    pub const FILES: [&str; 9] = [CONFIG, METRICS, EVALUATIONS, CSV, POLICY, ENVIRONMENT, NORMALIZER, SUMMARY, LOCK];

    /// Returns the directory of an existing run. Its files are read only when they are requested.
    #[must_use]
    pub fn open(path: &Path) -> Self {
        Self { path: path.into() }
    }

    /// Checks that the directory exists and holds a run: its settings, or checkpoints.
    ///
    /// # Errors
    /// [`RunDirError::NotARun`]
    pub fn check(&self) -> Result<(), RunDirError> {
        let is_empty = || self.checkpoints().updates().is_ok_and(|updates| updates.is_empty());
        let reason = match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => "it does not exist",
            Ok(metadata) if !metadata.is_dir() => "it is not a folder",
            Ok(_) if is_checkpoint(&self.path) => {
                "it is a checkpoint; give the directory of its run, and the number of its update with --at"
            }
            Ok(_) if !self.config_path().exists() && is_empty() => "it has neither config.toml nor checkpoints",
            _ => return Ok(()),
        };
        Err(RunDirError::NotARun { path: self.path.clone(), reason })
    }

    /// Returns the path of the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the checkpoints of the run.
    #[must_use]
    pub fn checkpoints(&self) -> Checkpoints {
        Checkpoints::at(&self.path.join(CHECKPOINTS))
    }

    /// Returns the path of the trained networks.
    #[must_use]
    pub fn policy_path(&self) -> PathBuf {
        self.path.join(POLICY)
    }

    /// Returns the path of the settings.
    #[must_use]
    pub fn config_path(&self) -> PathBuf {
        self.path.join(CONFIG)
    }

    /// Returns the path of the metrics of every update, for [`read_metrics`].
    #[must_use]
    pub fn metrics_path(&self) -> PathBuf {
        self.path.join(METRICS)
    }

    /// Returns the path of the outcome.
    #[must_use]
    pub fn summary_path(&self) -> PathBuf {
        self.path.join(SUMMARY)
    }

    /// Returns the path of the metrics as comma-separated values.
    #[must_use]
    pub fn csv_path(&self) -> PathBuf {
        self.path.join(CSV)
    }

    /// Returns the path of the folder for TensorBoard.
    #[must_use]
    pub fn tensorboard_path(&self) -> PathBuf {
        self.path.join(TENSORBOARD)
    }

    /// Writes the resolved settings.
    ///
    /// # Errors
    /// [`RunDirError::Write`].
    pub fn write_config(&self, config: &Config) -> Result<(), RunDirError> {
        self.write(CONFIG, format!("{WRITTEN_BY}{}\n{}", env!("CARGO_PKG_VERSION"), config.to_toml()).as_bytes())
    }

    /// Writes the observation normaliser.
    ///
    /// # Errors
    /// [`RunDirError::Write`].
    pub fn write_normalizer(&self, normalizer: &ObservationNormalizer) -> Result<(), RunDirError> {
        self.write_json(NORMALIZER, normalizer)
    }

    /// Reads the observation normaliser.
    ///
    /// # Errors
    /// [`RunDirError::Read`] or [`RunDirError::Normalizer`].
    pub fn normalizer(&self) -> Result<ObservationNormalizer, RunDirError> {
        read_normalizer(&self.path.join(NORMALIZER))
    }

    /// True if `normalizer.json` exists.
    pub(crate) fn has_normalizer(&self) -> bool {
        self.path.join(NORMALIZER).exists()
    }

    /// Writes the specification of the environment, which is needed to load the policy.
    ///
    /// # Errors
    /// [`RunDirError::Write`].
    pub fn write_environment(&self, spec: &EnvSpec) -> Result<(), RunDirError> {
        self.write_json(ENVIRONMENT, spec)
    }

    /// Reads the specification of the environment.
    ///
    /// # Errors
    /// [`RunDirError::NoEnvironment`], [`RunDirError::Read`] or [`RunDirError::Environment`].
    pub fn environment(&self) -> Result<EnvSpec, RunDirError> {
        let path = self.path.join(ENVIRONMENT);
        if !path.exists() {
            return Err(RunDirError::NoEnvironment { path });
        }
        json::read(&path, |path, reason| RunDirError::Environment { path, reason })
    }

    /// True if the run has ended and its outcome is written.
    #[must_use]
    pub fn has_summary(&self) -> bool {
        self.path.join(SUMMARY).exists()
    }

    /// Writes the outcome.
    ///
    /// # Errors
    /// [`RunDirError::Write`].
    pub fn write_summary(&self, summary: &serde_json::Value) -> Result<(), RunDirError> {
        self.write(SUMMARY, format!("{summary:#}\n").as_bytes())
    }

    /// Removes the results of a run that continues: the outcome, and the policy with its environment and normaliser.
    /// The checkpoints stay.
    ///
    /// # Errors
    /// [`RunDirError::Write`].
    pub fn remove_outcome(&self) -> Result<(), RunDirError> {
        for name in [SUMMARY, POLICY, ENVIRONMENT, NORMALIZER] {
            let path = self.path.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed.map_err(|source| RunDirError::Write { path, source })?,
            }
        }
        Ok(())
    }

    /// Reads the settings of the run.
    ///
    /// # Errors
    /// [`RunDirError::NotARun`], [`RunDirError::ConfigFile`], [`RunDirError::NoEnv`] or [`RunDirError::Config`].
    pub fn config(&self) -> Result<Config, RunDirError> {
        self.check()?;
        let file = ConfigFile::read(&self.path.join(CONFIG))?;
        let has_source = file.settings.get("run").is_some_and(|run| run.get("source").is_some());
        if !has_source && !file.settings.contains_key("env") {
            return Err(RunDirError::NoEnv { path: file.path });
        }
        Config::from_table(file.settings.clone()).map_err(|error| {
            let version = fs::read_to_string(&file.path).ok().and_then(|text| {
                let version = text.lines().next()?.strip_prefix(WRITTEN_BY)?;
                (version != env!("CARGO_PKG_VERSION")).then(|| version.to_owned())
            });
            let reason = file.message(&error);
            RunDirError::Config { path: file.path, version, reason, error: Box::new(error) }
        })
    }

    /// Opens `metrics.jsonl` to append after update `update` (0 for a new run). Keeps the file up to the line of the
    /// largest update that is at most `update`, and removes the rest. Invalid lines and lines out of order stay in the
    /// kept part. If fewer than `expected` updates remain, also returns [`MissingLines`], and copies the file before
    /// anything is removed.
    ///
    /// # Errors
    /// [`RunDirError::Read`] or [`RunDirError::Write`].
    pub fn metrics_after(
        &self,
        update: u64,
        expected: u64,
    ) -> Result<(MetricsFile, Option<MissingLines>), RunDirError> {
        MetricsFile::open_after(self.path.join(METRICS), update, expected)
    }

    /// Checks that the files of a run can be written, except its checkpoints. No file is changed.
    ///
    /// # Errors
    /// [`RunDirError::Write`]
    pub fn check_writable(&self) -> Result<(), RunDirError> {
        for name in Self::FILES {
            let path = self.path.join(name);
            refuse_other_than_file(&path).map_err(|source| RunDirError::Write { path, source })?;
        }
        let metrics = self.path.join(METRICS);
        match OpenOptions::new().read(true).write(true).open(&metrics) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => drop(opened.map_err(|source| RunDirError::Write { path: metrics, source })?),
        }
        let config = self.path.join(CONFIG);
        check_writable(&config).map_err(|source| RunDirError::Write { path: config, source })
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), RunDirError> {
        let text = serde_json::to_string(value)
            .map_err(|error| RunDirError::Write { path: self.path.join(name), source: error.into() })?;
        self.write(name, text.as_bytes())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), RunDirError> {
        let path = self.path.join(name);
        write_atomically(&path, bytes).map_err(|source| RunDirError::Write { path, source })
    }
}

/// Reads an observation normaliser from a file like `normalizer.json`.
///
/// # Errors
/// [`RunDirError::Read`], also if it is not a regular file; or [`RunDirError::Normalizer`].
pub fn read_normalizer(path: &Path) -> Result<ObservationNormalizer, RunDirError> {
    json::read(path, |path, reason| RunDirError::Normalizer { path, reason })
}
