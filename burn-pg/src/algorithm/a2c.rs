//! Advantage actor-critic.

use burn::tensor::Device;
use burn_pg_envs::make;

use super::Recipe;
use crate::{
    Error, Trainer,
    advantage::Gae,
    config::CheckedConfig,
    loss::{Entropy, Objective, PolicyGradient, Value, ValueClip},
    policy::ActorCritic,
    source::RolloutLength,
};

impl Recipe {
    /// Returns the recipe of synchronous advantage actor-critic: the policy gradient with a learnt value function as
    /// baseline, one step per rollout.
    ///
    /// Source: V. Mnih and others, *Asynchronous methods for deep reinforcement learning* (2016), in its synchronous
    /// form.
    ///
    /// # Errors
    /// [`Error::Objective`] if the objective of the configuration contradicts itself.
    pub fn a2c(config: &CheckedConfig) -> Result<Self, Error> {
        let recipe = Self {
            length: RolloutLength::Steps(config.num_steps),
            estimator: Box::new(Gae { gamma: config.gamma, lambda: config.gae_lambda }),
            objective: Objective::new()
                .with(1.0, PolicyGradient)
                .with(config.value_weight, Value { clip: ValueClip::Off })
                .with(config.entropy_weight, Entropy),
            trust_region: None,
        };
        recipe.with_choices_of(config)
    }
}

/// Creates a trainer from [the recipe](Recipe::a2c), with the networks and the environment of the configuration.
///
/// # Errors
/// [`Error::Env`] if the environment is unknown; see also [`Recipe::build`].
pub fn a2c(config: &CheckedConfig, device: &Device) -> Result<Trainer<ActorCritic>, Error> {
    Recipe::a2c(config)?.build(make(&config.env, config.num_envs)?, config, device)
}
