//! Settings of a run: parsed into a [`Config`], then validated into a [`CheckedConfig`] before anything starts.
//!
//! Settings come in tables, each of which belongs to a part of a run. `docs/settings.md` lists all of them; it is
//! generated from the types in this module.

mod algo;
mod algorithm;
mod all_errors;
mod checked;
mod checkpointing;
mod custom_network;
mod environment;
mod error;
mod evaluation;
mod faults;
mod file;
mod keys;
mod layers;
mod limits;
mod log;
mod network;
mod optimiser;
mod reading;
mod recurrence;
mod reference;
mod rollout;
mod shape;
mod toml;
mod unread;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use algo::Algo;
pub use algorithm::{A2cConfig, AlgorithmConfig, PpoConfig, ReinforceConfig, TrpoConfig};
pub use checked::CheckedConfig;
pub use checkpointing::CheckpointConfig;
pub use custom_network::CustomNetwork;
pub use environment::EnvConfig;
pub use error::ConfigError;
pub use evaluation::EvaluationConfig;
pub use faults::{Faults, OnEnvironment, OnNumbers};
pub use file::{ConfigFile, ConfigFileError};
pub use keys::full_key;
pub use layers::{Layer, Layers};
pub use limits::RunConfig;
pub use log::LogConfig;
pub use network::NetworkConfig;
pub use optimiser::OptimiserConfig;
pub use recurrence::{Nothing, Recurrence, RecurrentSpec};
pub use reference::{annotated, settings_page};
pub use rollout::RolloutConfig;

/// Every setting of a run, unchecked; [`validate`](Self::validate) checks them.
///
/// The defaults are the hyperparameters of CleanRL's `ppo.py`, with 8 environments in place of 4.
///
/// ```
/// use burn_pg::{Config, config::{AlgorithmConfig, PpoConfig}};
///
/// let mut config = Config { algorithm: PpoConfig { gamma: 0.98, ..PpoConfig::default() }.into(), ..Config::default() };
/// config.env.num_envs = 16;
/// let config = config.validate()?;
/// assert_eq!(config.algorithm.gamma(), 0.98);
///
/// let text = "env.name = 'Pendulum-v1'\nalgorithm = { kind = 'a2c', gamma = 0.9 }";
/// let config = Config::from_table(text.parse()?)?;
/// assert!(matches!(config.algorithm, AlgorithmConfig::A2c(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How long a run lasts, where it runs, and its seed.
    pub run: RunConfig,
    /// The environments.
    pub env: EnvConfig,
    /// How experience is collected.
    pub rollout: RolloutConfig,
    /// The algorithm and its hyperparameters.
    pub algorithm: AlgorithmConfig,
    /// The networks of actor and critic. `kind` may also name a network that the program adds to the command line
    /// (`Registry::add_network`), which has settings of its own in place of those below.
    pub network: NetworkConfig,
    /// The optimiser of the gradients.
    pub optimiser: OptimiserConfig,
    /// The evaluation after training.
    pub evaluation: EvaluationConfig,
    /// When checkpoints are saved during training, and which are kept. One is always saved at the end.
    pub checkpoint: CheckpointConfig,
    /// Files of metrics for other programs.
    pub log: LogConfig,
    /// What happens when an update fails.
    pub faults: Faults,
}

impl Config {
    /// Returns the configuration with the changes that `set` makes.
    ///
    /// ```
    /// use burn_pg::Config;
    ///
    /// let config = Config::default().with(|config| config.run.seed = 7).validate()?;
    /// assert_eq!(config.run.seed, 7);
    /// # Ok::<(), burn_pg::config::ConfigError>(())
    /// ```
    #[must_use]
    pub fn with(mut self, set: impl FnOnce(&mut Self)) -> Self {
        set(&mut self);
        self
    }
}

/// Reads settings by short keys, and checks them.
#[cfg(test)]
fn read(text: &str) -> Result<CheckedConfig, ConfigError> {
    let layer = Layer::from_short_keys("", text.parse().unwrap())?;
    Config::from_table(layer.settings)?.validate()
}
