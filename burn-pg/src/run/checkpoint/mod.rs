//! Checkpoints: everything that a run needs to resume exactly.
//!
//! A checkpoint is a folder with these files:
//!
//! | file | content |
//! | --- | --- |
//! | `tensors.safetensors` | weights (`policy.*`; of the policy that collects the next rollout, if it is another one, `behind.*`), tensors of the update, such as moments of the optimiser (`update.*`), and of the source, such as recurrent states and a reference policy (`source.*`) |
//! | `state.json` | schema and version, counters, the observation normaliser, the specification of the environment |
//! | `source.json` | the state of the source: environments in the middle of their episodes, streams of random numbers |
//! | `update.json` | the state of the update: counters of the optimiser, adaptive loss terms, the stream that shuffles samples |
//! | `config.toml` | all settings |
//! | `SHA256SUMS` | a checksum of each of these files |
//!
//! A checkpoint contains nothing executable. A checkpoint with a changed byte is refused.

mod error;
mod folder;
mod store;

use std::{fmt::Display, path::Path};

use burn::module::Module;
use burn_pg_envs::{EnvSpec, wrapper::ObservationNormalizer};
use serde::{Deserialize, Serialize};

use crate::{
    Config,
    storage::{
        Misfit,
        durable::refuse_other_than_file,
        tensors::{self, Tensors},
    },
};

pub use error::CheckpointError;
pub(in crate::run) use folder::is_checkpoint;
pub use store::{Best, Checkpoints};

/// The schema of the checkpoints that this version writes. Increase it when the content of a checkpoint changes, and
/// either convert the previous schema in [`Checkpoint::from_files`] or refuse it.
const SCHEMA: u32 = 4;

const TENSORS: &str = "tensors.safetensors";
const STATE: &str = "state.json";
const OF_SOURCE: &str = "source.json";
const OF_UPDATE: &str = "update.json";
const CONFIG: &str = "config.toml";

/// A run at the end of an update.
///
/// ```
/// use burn_pg::{Config, DeviceChoice, Trainer, run::checkpoint::Checkpoint, device};
///
/// let config = Config::default().with(|config| config.run.total_steps = 2_048).validate()?;
/// let device = device::open(DeviceChoice::Auto)?.device;
/// let mut trainer = Trainer::of(&config, &device)?;
/// trainer.update()?;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("after-one");
/// trainer.checkpoint()?.write(&path)?;
/// let expected = trainer.update()?;
///
/// let mut other = Trainer::of(&config, &device)?;
/// other.restore(Checkpoint::read(&path)?)?;
/// assert_eq!(other.update()?, expected);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Every setting of the run.
    pub(crate) config: Config,
    pub(crate) state: RunState,
    /// The state of the source and of the update, as JSON.
    pub(crate) source: Vec<u8>,
    pub(crate) update: Vec<u8>,
    pub(crate) tensors: Tensors,
}

/// The progress of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunState {
    /// Updates started.
    pub update: u64,
    /// Environment steps taken.
    pub env_steps: u64,
    /// Updates skipped after a fault.
    pub faults: u64,
    /// Environment steps that were timed, and their time in seconds.
    pub timed_steps: u64,
    pub timed_seconds: f64,
    /// The normaliser to use with the policy.
    pub normalizer: Option<ObservationNormalizer>,
    /// The environment that the policy acts in, if there is one.
    pub environment: Option<EnvSpec>,
    /// Origin of the initial weights, such as a path; `None` if they were drawn from the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_from: Option<String>,
}

/// The content of `state.json`, with an owned or a borrowed run.
#[derive(Serialize, Deserialize)]
struct StateFile<R = RunState> {
    #[serde(flatten)]
    header: Header,
    run: R,
}

/// The part of a state file that says how to read the rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Header {
    schema: u32,
    /// Version of the crate that wrote it.
    version: String,
}

impl Checkpoint {
    /// Returns all settings of the run.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the number of updates before the checkpoint.
    #[must_use]
    pub fn updates(&self) -> u64 {
        self.state.update
    }

    /// Returns the number of environment steps before the checkpoint.
    #[must_use]
    pub fn env_steps(&self) -> u64 {
        self.state.env_steps
    }

    /// Returns the observation normaliser, if observations are normalised.
    #[must_use]
    pub fn observation_normalizer(&self) -> Option<&ObservationNormalizer> {
        self.state.normalizer.as_ref()
    }

    /// Returns the specification of the environment that the policy acts in, if there is one.
    #[must_use]
    pub fn environment(&self) -> Option<&EnvSpec> {
        self.state.environment.as_ref()
    }

    /// Replaces the weights of `policy`, which must have the same shape, by those of the checkpoint. The weights are on
    /// the device of `policy`.
    ///
    /// # Errors
    /// [`Misfit::Tensors`] if the policy has another shape, or the device fails.
    pub fn load_policy<P: Module>(&self, policy: P) -> Result<P, Misfit> {
        let expected = tensors::of_module(&policy)?;
        Ok(tensors::into_module(policy, self.part(POLICY), &expected)?)
    }

    /// Writes the checkpoint to the folder `path`, which is replaced if it exists; its parent must exist. After a crash
    /// the folder is unchanged, complete, or absent.
    ///
    /// # Errors
    /// [`CheckpointError::Write`]; [`CheckpointError::Unreadable`] if the checkpoint could not be read back.
    pub fn write(&self, path: &Path) -> Result<(), CheckpointError> {
        let failed = |source: std::io::Error| CheckpointError::Write { path: path.into(), source };
        let header = Header { schema: SCHEMA, version: env!("CARGO_PKG_VERSION").into() };
        let file = StateFile { header, run: &self.state };
        let state = serde_json::to_vec(&file).map_err(|error| failed(error.into()))?;
        let tensors = tensors::to_bytes(&self.tensors, None).map_err(|error| failed(std::io::Error::other(error)))?;
        let config = self.config.to_toml();
        // JSON has no infinity: it would be written as `null`.
        parse(path, &state, config.as_bytes())
            .map_err(|error| CheckpointError::Unreadable { path: path.into(), reason: error.to_string() })?;
        folder::write(
            path,
            &[
                (TENSORS, &tensors),
                (STATE, &state),
                (OF_SOURCE, &self.source),
                (OF_UPDATE, &self.update),
                (CONFIG, config.as_bytes()),
            ],
        )
    }

    /// Reads a checkpoint that [`write`](Self::write) wrote. Takes memory in proportion to the size of the files.
    ///
    /// # Errors
    /// [`CheckpointError`] if the checkpoint cannot be read, is damaged, or has another version.
    /// [`Trainer::restore`](crate::Trainer::restore) checks whether it fits a run.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        let files = folder::read(path, Self::FILES);
        let [tensors, state, source, update, config] =
            files.map_err(|error| of_earlier_schema(path).unwrap_or(error))?;
        Self::from_files(path, [&tensors, &state, &source, &update, &config])
    }

    /// The names of the files, without the checksums.
    pub const FILES: [&str; 5] = [TENSORS, STATE, OF_SOURCE, OF_UPDATE, CONFIG];

    /// Parses the contents of [`FILES`](Self::FILES). Errors name `path`. Checksums are not checked, and the contents
    /// are not trusted.
    ///
    /// # Errors
    /// [`CheckpointError`], as [`read`](Self::read).
    pub fn from_files(path: &Path, files: [&[u8]; 5]) -> Result<Self, CheckpointError> {
        let [tensors, state, source, update, config] = files;
        let (config, state) = parse(path, state, config)?;
        for (name, text) in [(OF_SOURCE, source), (OF_UPDATE, update)] {
            let _: serde::de::IgnoredAny = serde_json::from_slice(text).map_err(|error| damaged(path, name, error))?;
        }
        let tensors = tensors::from_bytes(tensors).map_err(|error| damaged(path, TENSORS, error))?;
        Ok(Self { config, state, source: source.to_vec(), update: update.to_vec(), tensors })
    }

    /// Returns the tensors of a part, without the name of the part.
    pub(crate) fn part(&self, part: &str) -> Tensors {
        tensors::part(&self.tensors, part)
    }
}

/// Parts of a checkpoint, which are prefixes of the names of its tensors.
pub(crate) const POLICY: &str = "policy";
/// The policy that collects the next rollout, if it is not the current one.
pub(crate) const BEHIND: &str = "behind";
pub(crate) const UPDATE: &str = "update";
pub(crate) const SOURCE: &str = "source";

/// Returns the error for a checkpoint of an earlier schema, which had fewer files; `None` if `path` is not one.
fn of_earlier_schema(path: &Path) -> Option<CheckpointError> {
    if path.join(OF_SOURCE).exists() {
        return None;
    }
    refuse_other_than_file(&path.join(STATE)).ok()?;
    let Header { schema, version } = serde_json::from_slice(&std::fs::read(path.join(STATE)).ok()?).ok()?;
    (schema < SCHEMA).then(|| CheckpointError::Older { path: path.into(), schema, version })
}

/// Returns the error for an invalid file.
fn damaged(path: &Path, file: &str, error: impl Display) -> CheckpointError {
    CheckpointError::Damaged { path: path.into(), reason: format!("{file}: {error}") }
}

/// Parses the settings and the state of a run, except its tensors.
fn parse(path: &Path, state: &[u8], config: &[u8]) -> Result<(Config, RunState), CheckpointError> {
    let Header { schema, version } = serde_json::from_slice(state).map_err(|error| damaged(path, STATE, error))?;
    if schema > SCHEMA {
        return Err(CheckpointError::Newer { path: path.into(), schema, version, newest: SCHEMA });
    }
    if schema < SCHEMA {
        return Err(CheckpointError::Older { path: path.into(), schema, version });
    }
    let StateFile { run, .. } = serde_json::from_slice(state).map_err(|error| damaged(path, STATE, error))?;
    let text = str::from_utf8(config).map_err(|error| damaged(path, CONFIG, error))?;
    let table: toml::Table = text.parse().map_err(|error| damaged(path, CONFIG, error))?;
    let config = Config::from_table(table).map_err(|source| CheckpointError::Config { path: path.into(), source })?;
    Ok((config, run))
}
