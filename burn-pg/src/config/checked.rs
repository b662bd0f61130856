//! Configurations that can be run, and what follows from them.

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
    /// Checks every setting.
    ///
    /// # Errors
    /// The first [`ConfigError`] there is. Whether the environment exists is found out when it is made.
    pub fn validate(self) -> Result<CheckedConfig, ConfigError> {
        self.check_ranges()?;
        self.check_algorithm()?;
        self.check_networks()?;
        self.check_rollout()?;
        Ok(CheckedConfig(self))
    }
}

impl CheckedConfig {
    /// Is there a critic? REINFORCE has none, unless its objective is one with a value term.
    #[must_use]
    pub fn has_critic(&self) -> bool {
        let fitted = self.loss.iter().any(|summand| summand.term.trains_critic());
        // (An estimator that looks at the values of an untrained critic would be refused for want of one.)
        self.algo != Algo::Reinforce || fitted
    }

    /// True if there is a policy that the trained one is compared with.
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

    /// The networks.
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
