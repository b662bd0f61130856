//! Validated configurations.

mod algorithm;
mod networks;
mod ranges;
mod rollout;

use std::ops::Deref;

use super::{Algo, Config, ConfigError};
use crate::{
    policy::NetworkSpec,
    source::{EnvSourceShape, RolloutLength, default_block_size},
};

/// A configuration in which every setting is in range.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedConfig(Config);

impl Deref for CheckedConfig {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.0
    }
}

impl Config {
    /// Checks every setting, except whether the environment exists: that is checked when it is created.
    ///
    /// # Errors
    /// The first [`ConfigError`] that is found.
    pub fn validate(self) -> Result<CheckedConfig, ConfigError> {
        self.check_ranges()?;
        self.check_algorithm()?;
        self.check_networks()?;
        self.check_rollout()?;
        Ok(CheckedConfig(self))
    }
}

impl CheckedConfig {
    /// True if there is a critic. REINFORCE has none, unless `loss` has a value term.
    #[must_use]
    pub fn has_critic(&self) -> bool {
        let fitted = self.loss.iter().any(|summand| summand.term.trains_critic());
        // (A critic that no term trains would be useless, even to an estimator that needs values: `NoCritic` refuses
        // it.)
        self.algo != Algo::Reinforce || fitted
    }

    /// True if there is a reference policy.
    pub(crate) fn has_reference(&self) -> bool {
        let compared = self.loss.iter().any(|summand| summand.term.compares_with_reference());
        compared || self.kl_in_reward > 0.0
    }

    /// The shape of the source.
    pub(crate) fn source(&self) -> EnvSourceShape {
        EnvSourceShape {
            num_envs: self.num_envs,
            length: match self.algo {
                Algo::Reinforce => RolloutLength::Episodes,
                _ => RolloutLength::Steps(self.num_steps),
            },
            longest_episode: self.num_steps,
            sequences: self.recurrence.sequences(),
            block_size: self.block_size.unwrap_or_else(|| default_block_size(self.num_envs)),
            has_values: self.has_critic(),
            has_reference: self.has_reference(),
            is_normalized: self.normalize_observations || self.normalize_rewards,
        }
    }

    /// The networks of actor and critic.
    #[must_use]
    pub fn network(&self) -> NetworkSpec {
        NetworkSpec {
            hidden_sizes: self.hidden_sizes.clone(),
            activation: self.activation,
            shared: self.shared_layers,
            critic: self.has_critic(),
            recurrence: self.recurrence.cell(),
            exploration: self.exploration,
            encoder: self.encoder.clone(),
        }
    }
}
