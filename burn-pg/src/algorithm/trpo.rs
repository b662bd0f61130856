//! Trust-region policy optimisation.

use super::Recipe;
use crate::{
    Error, TrustRegion,
    advantage::Gae,
    config::TrpoConfig,
    loss::{Entropy, Objective, Surrogate, Value, ValueClip},
    ranks::Ranks,
    source::RolloutLength,
};

impl Recipe {
    /// Returns the recipe of TRPO: one step of the policy within a trust region, then passes over the rollout that fit
    /// the critic.
    ///
    /// Source: J. Schulman, S. Levine, P. Moritz, M. Jordan, P. Abbeel, *Trust region policy optimization* (2015), with
    /// generalised advantage estimation as in their next paper (2016).
    ///
    /// # Errors
    /// [`Error::Objective`] if the objective of the configuration contradicts itself.
    pub fn trpo(config: &TrpoConfig, num_steps: usize) -> Result<Self, Error> {
        let recipe = Self {
            length: RolloutLength::Steps(num_steps),
            estimator: Box::new(Gae { gamma: config.gamma, lambda: config.gae_lambda }),
            objective: Objective::new().with(config.value_weight, Value { clip: ValueClip::Off }),
            ranks: Ranks::default(),
            trust_region: Some(TrustRegion {
                objective: Objective::new().with(1.0, Surrogate).with(config.entropy_weight, Entropy),
                spec: config.trust_region,
                normalize_advantages: config.normalize_advantages,
            }),
        };
        recipe.with_choices(config.gamma, config.estimator, &config.loss)
    }
}
