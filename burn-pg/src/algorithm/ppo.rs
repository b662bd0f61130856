//! Proximal policy optimisation.

use super::Recipe;
use crate::{
    Error,
    advantage::Gae,
    config::PpoConfig,
    loss::{Entropy, Objective, PpoClip, Value, ValueClip},
    ranks::Ranks,
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
    pub fn ppo(config: &PpoConfig, num_steps: usize) -> Result<Self, Error> {
        let range = config.clip_range;
        let clip = if config.clip_value { ValueClip::Pessimistic { range } } else { ValueClip::Off };
        let recipe = Self {
            length: RolloutLength::Steps(num_steps),
            estimator: Box::new(Gae { gamma: config.gamma, lambda: config.gae_lambda }),
            objective: Objective::new()
                .with(1.0, PpoClip::new(range))
                .with(config.value_weight, Value { clip })
                .with(config.entropy_weight, Entropy),
            trust_region: None,
            ranks: Ranks::default(),
        };
        recipe.with_choices(config.gamma, config.estimator, &config.loss)
    }
}
