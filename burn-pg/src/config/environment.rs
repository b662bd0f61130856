//! Settings of the environments.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The environments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EnvConfig {
    /// Environment, by its registered name. Default `CartPole-v1`.
    pub name: String,
    /// Environments stepped as one batch, 1 to 1,048,576. Default 8.
    pub num_envs: usize,
    /// Shift and scale observations by their running mean and standard deviation. Default false.
    pub normalize_observations: bool,
    /// Divide rewards by the running standard deviation of the discounted return. Default false.
    pub normalize_rewards: bool,
}

impl Default for EnvConfig {
    fn default() -> Self {
        Self { name: "CartPole-v1".into(), num_envs: 8, normalize_observations: false, normalize_rewards: false }
    }
}
