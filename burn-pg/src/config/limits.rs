//! Settings of a run as a whole.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{device::DeviceChoice, storage::optional};

/// How long a run lasts, where it runs, and its seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RunConfig {
    /// Seed of all randomness, below 2^63. Default 1.
    pub seed: u64,
    /// Environment steps to train for, over all environments; at least one rollout, below 2^63. Training never takes
    /// more: it ends before a rollout that might exceed them. Default 500,000.
    pub total_steps: u64,
    /// Mean return of the last 100 episodes at which training ends early; finite. Not checked before 100 episodes have
    /// ended. Default none: training continues to `total_steps`.
    #[serde(with = "optional")]
    #[schemars(with = "Option<f64>")]
    pub target_return: Option<f64>,
    /// Where the networks run: `auto`, `flex`, `ndarray`, `wgpu`, `vulkan`, `metal`, `webgpu`, `cuda` or `rocm`. Default
    /// `auto`.
    #[schemars(with = "String")]
    pub device: DeviceChoice,
    /// Threads that step environments, 0 for one per core, at most 1,024. Results do not depend on it. Default 0.
    pub threads: usize,
    /// The source of experience, if it is not environments, such as `texts`. It has settings of its own; of these, only the tables
    /// `run`, `checkpoint`, `log` and `faults` are read. Default none.
    #[serde(with = "optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub source: Option<String>,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            total_steps: 500_000,
            target_return: None,
            device: DeviceChoice::Auto,
            threads: 0,
            source: None,
        }
    }
}
