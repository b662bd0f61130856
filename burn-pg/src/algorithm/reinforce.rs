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
    /// REINFORCE: the vanilla policy gradient over whole episodes, one of each environment, with the discounted rewards that
    /// follow an action as its weight. No critic is trained and none is read: what lies behind a time limit counts as nothing.
    ///
    /// Source: R. Williams, *Simple statistical gradient-following algorithms for connectionist reinforcement learning* (1992).
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

/// [The recipe](Recipe::reinforce) with perceptrons, in the environment that the configuration names.
///
/// # Errors
/// [`Error::Env`] if the environment is unknown; see also [`Recipe::build`].
pub fn reinforce(config: &CheckedConfig, device: &Device) -> Result<Trainer<ActorCritic>, Error> {
    Recipe::reinforce(config)?.build(make(&config.env, config.num_envs)?, config, device)
}
