//! Validated configurations.

mod algorithm;
mod networks;
mod ranges;
mod rollout;

use std::ops::Deref;

use burn_pg_envs::EnvSpec;

use super::{AlgorithmConfig, Config, ConfigError, Layer, error::Errors, unread::unread};
use crate::{
    policy::{EncoderSpec, NetworkSpec},
    source::{EnvSourceShape, RolloutLength, default_block_size},
};

/// The tables that the checks of a rollout read.
const OF_ROLLOUT: [&str; 4] = ["env.num_envs", "rollout", "algorithm.num_minibatches", "run.total_steps"];

/// Assumed length of episodes without a time limit, in memory plans.
const LONGEST_EPISODE: usize = 1024;

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
    /// [`ConfigError`], all of them at once.
    pub fn validate(self) -> Result<CheckedConfig, ConfigError> {
        let mut errors = Errors::default();
        self.check_each(&mut errors);
        if self.run.source.is_some() {
            return errors.into_result().map(|()| CheckedConfig(self));
        }
        errors.add(self.check_algorithm());
        // Checked only if what it depends on is in range, because its errors would follow from the others.
        if !OF_ROLLOUT.iter().any(|key| errors.are_about(key)) {
            errors.add(self.check_rollout());
        }
        errors.into_result().map(|()| CheckedConfig(self))
    }

    /// Checks that everything that a layer sets is read: with the other settings, in an environment of this
    /// specification.
    ///
    /// # Errors
    /// [`ConfigError::NotRead`], all of them at once.
    pub fn check_read(&self, layer: &Layer, spec: &EnvSpec) -> Result<(), ConfigError> {
        let mut errors = Errors::default();
        for (key, reason) in unread(self, Some(spec)).into_iter().filter(|(key, _)| layer.sets(key)) {
            errors.push(ConfigError::NotRead { key: key.into(), reason: reason.into() });
        }
        errors.into_result()
    }

    /// Checks the settings whose ranges do not depend on other settings.
    pub(super) fn check_each(&self, errors: &mut Errors) {
        self.check_ranges(errors);
        self.check_networks(errors);
    }
}

impl CheckedConfig {
    /// True if there is a critic. REINFORCE has none, unless `loss` has a value term.
    #[must_use]
    pub fn has_critic(&self) -> bool {
        let fitted = self.algorithm.loss().iter().any(|summand| summand.term.trains_critic());
        // (A critic that no term trains would be useless, even to an estimator that needs values: `NoCritic` refuses
        // it.)
        !self.algorithm.acts_by_episodes() || fitted
    }

    /// True if there is a reference policy.
    pub(crate) fn has_reference(&self) -> bool {
        let compared = self.algorithm.loss().iter().any(|summand| summand.term.compares_with_reference());
        compared || self.algorithm.kl_in_reward() > 0.0
    }

    /// The shape of the source.
    pub(crate) fn source(&self) -> EnvSourceShape {
        EnvSourceShape {
            num_envs: self.env.num_envs,
            length: match self.algorithm {
                AlgorithmConfig::Reinforce(_) => RolloutLength::Episodes,
                _ => RolloutLength::Steps(self.rollout.num_steps),
            },
            longest_episode: LONGEST_EPISODE,
            sequences: self.network.recurrence.sequences(),
            block_size: self.rollout.block_size.unwrap_or_else(|| default_block_size(self.env.num_envs)),
            has_values: self.has_critic(),
            has_reference: self.has_reference(),
            is_normalized: self.env.normalize_observations || self.env.normalize_rewards,
        }
    }

    /// Returns the networks of actor and critic.
    ///
    /// # Errors
    /// [`ConfigError::Value`] if the configuration asks for a [network of the program](super::CustomNetwork), which this
    /// crate does not know.
    pub fn network(&self) -> Result<NetworkSpec, ConfigError> {
        if self.network.custom.is_some() {
            return Err(self.network.unknown_kind(EncoderSpec::KINDS));
        }
        Ok(NetworkSpec {
            hidden_sizes: self.network.hidden_sizes.clone(),
            activation: self.network.activation,
            shared: self.network.shared_layers,
            critic: self.has_critic(),
            recurrence: self.network.recurrence.cell(),
            exploration: self.network.exploration,
            encoder: self.network.encoder.clone(),
            actor_inputs: self.network.actor_inputs.clone(),
            critic_inputs: self.network.critic_inputs.clone(),
        })
    }
}
