//! Runs as data: everything that a run depends on, to go on from exactly there.
//!
//! A checkpoint is a folder of
//!
//! | file | content |
//! | --- | --- |
//! | `tensors.safetensors` | weights (`policy.*`), tensors of the update, such as moments of the optimiser (`update.*`), and of the source, such as recurrent states and a reference policy (`source.*`) |
//! | `state.json` | schema and version, counters, the observation normaliser, the specification of the environment |
//! | `source.json` | the state of the source: environments in the middle of their episodes, streams of random numbers |
//! | `update.json` | the state of the update: counters of the optimiser, terms that adapt, the order of samples |
//! | `config.toml` | every setting |
//! | `SHA256SUMS` | a checksum over each of these files |
//!
//! Nothing in it is executable. One that is not, to the byte, what was written is refused.

mod error;
mod folder;
mod state;
mod store;

use std::path::Path;

use burn::module::Module;
use burn_pg_envs::{EnvSpec, wrapper::ObservationNormalizer};

use crate::{
    Config,
    storage::{
        Misfit,
        durable::refuse_other_than_file,
        tensors::{self, Tensors},
    },
};
use state::{Header, SCHEMA, StateFile};

pub use error::CheckpointError;
pub(crate) use state::RunState;
pub use store::{Best, Checkpoints};

const TENSORS: &str = "tensors.safetensors";
const STATE: &str = "state.json";
const OF_SOURCE: &str = "source.json";
const OF_UPDATE: &str = "update.json";
const CONFIG: &str = "config.toml";

/// A run at the end of an update.
///
/// ```
/// use burn_pg::{Config, DeviceChoice, algorithm::ppo, run::checkpoint::Checkpoint, device};
///
/// let config = Config { total_steps: 2_048, ..Config::default() }.validate()?;
/// let device = device::open(DeviceChoice::Auto)?.device;
/// let mut trainer = ppo(&config, &device)?;
/// trainer.update()?;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("after-one");
/// trainer.checkpoint()?.write(&path)?;
/// let expected = trainer.update()?;
///
/// let mut other = ppo(&config, &device)?;
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

impl Checkpoint {
    /// Every setting of the run.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Updates before it.
    #[must_use]
    pub fn updates(&self) -> u64 {
        self.state.update
    }

    /// Environment steps before it.
    #[must_use]
    pub fn env_steps(&self) -> u64 {
        self.state.env_steps
    }

    /// What observations are normalised with, if they are.
    #[must_use]
    pub fn observation_normalizer(&self) -> Option<&ObservationNormalizer> {
        self.state.normalizer.as_ref()
    }

    /// The environment that its policy acts in, if it acts in one.
    #[must_use]
    pub fn environment(&self) -> Option<&EnvSpec> {
        self.state.environment.as_ref()
    }

    /// Puts its weights in place of those of a policy of the same shape, on the device of that.
    ///
    /// # Errors
    /// [`Misfit::Tensors`] if the policy is of another shape.
    pub fn load_policy<P: Module>(&self, policy: P) -> Result<P, Misfit> {
        let expected = tensors::of_module(&policy)?;
        Ok(tensors::into_module(policy, self.part(POLICY), &expected)?)
    }

    /// Writes it into the folder `path`, which is replaced if it exists. After a crash the folder is what it was, is all
    /// there, or is not there.
    ///
    /// # Errors
    /// [`CheckpointError::Write`]; [`CheckpointError::Unreadable`] if it could not be read again.
    pub fn write(&self, path: &Path) -> Result<(), CheckpointError> {
        let failed = |source: std::io::Error| CheckpointError::Write { path: path.into(), source };
        let file = StateFile { header: Header::current(), run: &self.state };
        let state = serde_json::to_vec(&file).map_err(|error| failed(error.into()))?;
        let tensors = tensors::to_bytes(&self.tensors, None).map_err(|error| failed(std::io::Error::other(error)))?;
        let config = self.config.to_toml();
        // JSON has no infinity, and makes nothing of it.
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

    /// Reads what [`write`](Self::write) has written. Takes memory for its files and what they hold, and no more.
    ///
    /// # Errors
    /// [`CheckpointError`]: it cannot be read, is damaged, or is of another version. Whether it fits a run is found out by
    /// [`Trainer::restore`](crate::Trainer::restore).
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        let files = folder::read(path, Self::FILES);
        let [tensors, state, source, update, config] =
            files.map_err(|error| of_earlier_schema(path).unwrap_or(error))?;
        Self::from_files(path, [&tensors, &state, &source, &update, &config])
    }

    /// The names of its files, but for the checksums.
    pub const FILES: [&str; 5] = [TENSORS, STATE, OF_SOURCE, OF_UPDATE, CONFIG];

    /// Makes sense of the contents of [`FILES`](Self::FILES), which are called `path` in errors. Checksums are not looked at, and
    /// nothing is believed.
    ///
    /// # Errors
    /// [`CheckpointError`], as [`read`](Self::read).
    pub fn from_files(path: &Path, files: [&[u8]; 5]) -> Result<Self, CheckpointError> {
        let [tensors, state, source, update, config] = files;
        let (config, state) = parse(path, state, config)?;
        for (name, text) in [(OF_SOURCE, source), (OF_UPDATE, update)] {
            let damaged = |error| CheckpointError::Damaged { path: path.into(), reason: format!("{name}: {error}") };
            let _: serde::de::IgnoredAny = serde_json::from_slice(text).map_err(damaged)?;
        }
        let damaged = |error| CheckpointError::Damaged { path: path.into(), reason: format!("{TENSORS}: {error}") };
        let tensors = tensors::from_bytes(tensors).map_err(damaged)?;
        Ok(Self { config, state, source: source.to_vec(), update: update.to_vec(), tensors })
    }

    /// The tensors of a part, without its name.
    pub(crate) fn part(&self, part: &str) -> Tensors {
        tensors::part(&self.tensors, part)
    }
}

/// The tensors of a checkpoint by what they belong to.
pub(crate) const POLICY: &str = "policy";
pub(crate) const UPDATE: &str = "update";
pub(crate) const SOURCE: &str = "source";

/// The error for a folder of a schema that had fewer files, if it is one.
fn of_earlier_schema(path: &Path) -> Option<CheckpointError> {
    if path.join(OF_SOURCE).exists() {
        return None;
    }
    refuse_other_than_file(&path.join(STATE)).ok()?;
    let Header { schema, version } = serde_json::from_slice(&std::fs::read(path.join(STATE)).ok()?).ok()?;
    (schema < SCHEMA).then(|| CheckpointError::Older { path: path.into(), schema, version })
}

/// Settings, and what a run remembers besides tensors.
fn parse(path: &Path, state: &[u8], config: &[u8]) -> Result<(Config, RunState), CheckpointError> {
    let damaged = |reason: String| CheckpointError::Damaged { path: path.into(), reason };
    let Header { schema, version } =
        serde_json::from_slice(state).map_err(|error| damaged(format!("{STATE}: {error}")))?;
    if schema > SCHEMA {
        return Err(CheckpointError::Newer { path: path.into(), schema, version, newest: SCHEMA });
    }
    if schema < SCHEMA {
        return Err(CheckpointError::Older { path: path.into(), schema, version });
    }
    let StateFile { run, .. } = serde_json::from_slice(state).map_err(|error| damaged(format!("{STATE}: {error}")))?;
    let text = str::from_utf8(config).map_err(|error| damaged(format!("{CONFIG}: {error}")))?;
    let table: toml::Table = text.parse().map_err(|error| damaged(format!("{CONFIG}: {error}")))?;
    let config = Config::from_table(table).map_err(|source| CheckpointError::Config { path: path.into(), source })?;
    Ok((config, run))
}
