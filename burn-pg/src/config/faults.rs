//! What a run survives.

use serde::{Deserialize, Serialize};

/// What happens to an update that fails. The weights, and the state of the optimiser, stay as they were before it.
///
/// ```
/// use burn_pg::config::{Faults, OnEnvironment, OnNumbers};
///
/// let faults: Faults = toml::from_str("numbers = 'skip'\nenvironment = 'restart'\nlimit = 3")?;
/// assert_eq!(faults, Faults { numbers: OnNumbers::Skip, environment: OnEnvironment::Restart, limit: 3 });
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Observations, rewards, losses or gradients that are not finite: `stop`, or `skip` the update. Default `stop`.
    pub numbers: OnNumbers,
    /// An environment that panics: `stop`, or `restart` it in a new stream of random numbers, and skip the update. Default
    /// `stop`.
    pub environment: OnEnvironment,
    /// Updates that may be given up in a run; the next one that fails ends it. Default 10.
    pub limit: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Self { numbers: OnNumbers::Stop, environment: OnEnvironment::Stop, limit: 10 }
    }
}

/// What happens when a number is not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnNumbers {
    /// The run ends with an error.
    Stop,
    /// The update is given up.
    Skip,
}

/// What happens when an environment panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnEnvironment {
    /// The run ends with an error.
    Stop,
    /// The update is given up, and the environment gets a new stream of random numbers.
    Restart,
}
