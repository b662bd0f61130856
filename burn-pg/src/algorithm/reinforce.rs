//! REINFORCE.

use super::Recipe;
use crate::{
    Error,
    advantage::{Bootstrap, RewardToGo},
    config::ReinforceConfig,
    loss::{Entropy, Objective, PolicyGradient},
    ranks::Ranks,
    source::RolloutLength,
};

impl Recipe {
    /// Returns the recipe of REINFORCE: the vanilla policy gradient over whole episodes, one per environment. The
    /// weight of an action is its discounted reward to go. There is no critic, so rewards after a time limit count as
    /// 0.
    ///
    /// Source: R. Williams, *Simple statistical gradient-following algorithms for connectionist reinforcement learning*
    /// (1992).
    ///
    /// # Errors
    /// [`Error::Objective`] if the objective of the configuration contradicts itself.
    pub fn reinforce(config: &ReinforceConfig) -> Result<Self, Error> {
        let recipe = Self {
            length: RolloutLength::Episodes,
            estimator: Box::new(RewardToGo { gamma: config.gamma, baseline: false, bootstrap: Bootstrap::Zero }),
            objective: Objective::new().with(1.0, PolicyGradient).with(config.entropy_weight, Entropy),
            trust_region: None,
            ranks: Ranks::default(),
        };
        recipe.with_choices(config.gamma, config.estimator, &config.loss)
    }
}
