//! Advantage actor-critic.

use super::Recipe;
use crate::{
    Error,
    advantage::Gae,
    config::A2cConfig,
    loss::{Entropy, Objective, PolicyGradient, Value, ValueClip},
    ranks::Ranks,
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
    pub fn a2c(config: &A2cConfig, num_steps: usize) -> Result<Self, Error> {
        let recipe = Self {
            length: RolloutLength::Steps(num_steps),
            estimator: Box::new(Gae { gamma: config.gamma, lambda: config.gae_lambda }),
            objective: Objective::new()
                .with(1.0, PolicyGradient)
                .with(config.value_weight, Value { clip: ValueClip::Off })
                .with(config.entropy_weight, Entropy),
            trust_region: None,
            ranks: Ranks::default(),
        };
        recipe.with_choices(config.gamma, config.estimator, &config.loss)
    }
}
