//! REINFORCE.

use burn::tensor::Device;
use burn_pg_envs::make;

use super::Recipe;
use crate::{
    Error, Trainer,
    advantage::{Bootstrap, RewardToGo},
    config::CheckedConfig,
    loss::{Entropy, Objective, PolicyGradient},
    policy::ActorCritic,
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
    pub fn reinforce(config: &CheckedConfig) -> Result<Self, Error> {
        let recipe = Self {
            length: RolloutLength::Episodes,
            estimator: Box::new(RewardToGo { gamma: config.gamma, baseline: false, bootstrap: Bootstrap::Zero }),
            objective: Objective::new().with(1.0, PolicyGradient).with(config.entropy_weight, Entropy),
            trust_region: None,
        };
        recipe.with_choices_of(config)
    }
}

/// Creates a trainer from [the recipe](Recipe::reinforce), with the networks and the environment of the configuration.
///
/// # Errors
/// [`Error::Env`] if the environment is unknown; see also [`Recipe::build`].
pub fn reinforce(config: &CheckedConfig, device: &Device) -> Result<Trainer<ActorCritic>, Error> {
    Recipe::reinforce(config)?.build(make(&config.env, config.num_envs)?, config, device)
}
