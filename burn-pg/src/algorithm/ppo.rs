//! Proximal policy optimisation.

use burn::tensor::Device;
use burn_pg_envs::make;

use super::Recipe;
use crate::{
    Error, Trainer,
    advantage::Gae,
    config::CheckedConfig,
    loss::{Entropy, Objective, PpoClip, Value, ValueClip},
    policy::ActorCritic,
    source::RolloutLength,
};

impl Recipe {
    /// Returns the recipe of PPO with the clipped surrogate.
    ///
    /// Source: J. Schulman, F. Wolski, P. Dhariwal, A. Radford, O. Klimov, *Proximal policy optimization algorithms*
    /// (2017).
    ///
    /// # Errors
    /// [`Error::Objective`] if the objective of the configuration contradicts itself.
    pub fn ppo(config: &CheckedConfig) -> Result<Self, Error> {
        let range = config.clip_range;
        let clip = if config.clip_value { ValueClip::Pessimistic { range } } else { ValueClip::Off };
        let recipe = Self {
            length: RolloutLength::Steps(config.num_steps),
            estimator: Box::new(Gae { gamma: config.gamma, lambda: config.gae_lambda }),
            objective: Objective::new()
                .with(1.0, PpoClip { clip_range: range })
                .with(config.value_weight, Value { clip })
                .with(config.entropy_weight, Entropy),
            trust_region: None,
        };
        recipe.with_choices_of(config)
    }
}

/// Creates a trainer from [the recipe](Recipe::ppo), with the networks and the environment of the configuration.
///
/// # Errors
/// [`Error::Env`] if the environment is unknown; see also [`Recipe::build`].
pub fn ppo(config: &CheckedConfig, device: &Device) -> Result<Trainer<ActorCritic>, Error> {
    Recipe::ppo(config)?.build(make(&config.env, config.num_envs)?, config, device)
}
