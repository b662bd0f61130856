//! What is kept of a run while it goes on, and what it survives.

use burn_pg_envs::{EnvError, Fault};
use serde::{Deserialize, Serialize};

use crate::Error;

/// When the command line saves [checkpoints](crate::checkpoint), besides at the end and when a run is interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointSpec {
    /// Updates from one checkpoint to the next; 0 for none in between. Default: none, a checkpoint every ten seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<u64>,
    /// Checkpoints kept, the last ones, at least 1; the best is kept besides. Default 2.
    pub keep: usize,
    /// Episodes that each checkpoint is evaluated over, to tell which is the best, at most 1,048,576; 0 for no evaluation. Default
    /// 0.
    pub eval_episodes: usize,
}

impl Default for CheckpointSpec {
    fn default() -> Self {
        Self { interval: None, keep: 2, eval_episodes: 0 }
    }
}

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

/// How to go on after an update that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// As if nothing had been.
    Skip,
    /// With a new stream for an environment.
    Restart { env: usize },
}

impl Faults {
    /// How to go on after `error`, if the run may.
    pub(crate) fn remedy(&self, error: &Error) -> Option<Remedy> {
        match error {
            Error::EnvInUpdate { source: EnvError::Failed { env, fault: Fault::Panic { .. }, .. }, .. } => {
                (self.environment == OnEnvironment::Restart).then_some(Remedy::Restart { env: *env })
            }
            Error::EnvInUpdate { source: EnvError::Failed { .. }, .. }
            | Error::Observation { .. }
            | Error::Reward { .. }
            | Error::Step { .. }
            | Error::Policy { .. }
            | Error::NonFinite { .. } => (self.numbers == OnNumbers::Skip).then_some(Remedy::Skip),
            _ => None,
        }
    }
}
