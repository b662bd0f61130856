//! Settings of rollouts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::storage::optional;

/// How experience is collected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RolloutConfig {
    /// Steps per environment in a rollout, at least 1; times `num_envs` at most 2^26. Default 128. (Not for `reinforce`,
    /// whose rollouts are one whole episode of each environment.)
    pub num_steps: usize,
    /// Environments that one thread steps through a whole rollout, at least 1. Used if the policy acts without tensors,
    /// on the `flex` backend. Results do not depend on it, unless a rollout fails. Default none: a sixteenth of the
    /// environments, but at least 4 and at most 64.
    #[serde(with = "optional")]
    #[schemars(with = "Option<usize>")]
    pub block_size: Option<usize>,
    /// True to run the environments on the GPU too, if the device is one and they can: whole rollouts are then collected
    /// without leaving it. Default true.
    pub on_device: bool,
    /// True to collect the next rollout while the policy is improved, for environments on the host with a policy on a GPU.
    /// Rollouts are then made by the policy of one update earlier, which PPO corrects for; `target_kl` counts from that policy
    /// too. Only for `ppo`. On `flex` both take turns, and nothing is gained. Default false.
    pub overlap: bool,
}

impl Default for RolloutConfig {
    fn default() -> Self {
        Self { num_steps: 128, block_size: None, on_device: true, overlap: false }
    }
}
