//! What happens when an update fails.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens when an update fails. The weights and the state of the optimiser remain as they were before the update.
///
/// ```
/// use burn_pg::config::{Faults, OnEnvironment, OnNumbers};
///
/// let faults: Faults = toml::from_str("numbers = 'skip'\nenvironment = 'restart'\nlimit = 3")?;
/// assert_eq!(faults, Faults { numbers: OnNumbers::Skip, environment: OnEnvironment::Restart, limit: 3 });
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// If observations, rewards, losses or gradients are not finite, or no sample can be scored: `stop`, or `skip` the update. Default `stop`.
    pub numbers: OnNumbers,
    /// If an environment panics: `stop`, or `restart` it with a new stream of random numbers and skip the update.
    /// Default `stop`.
    pub environment: OnEnvironment,
    /// Updates that may be skipped in a run; the next failure ends the run. Default 10.
    pub limit: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Self { numbers: OnNumbers::Stop, environment: OnEnvironment::Stop, limit: 10 }
    }
}

/// What happens when a value is not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnNumbers {
    /// The run ends with an error.
    Stop,
    /// The update is skipped.
    Skip,
}

/// What happens when an environment panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnEnvironment {
    /// The run ends with an error.
    Stop,
    /// The update is skipped, and the environment restarts with a new stream of random numbers.
    Restart,
}
