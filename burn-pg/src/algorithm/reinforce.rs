//! REINFORCE.

use burn::tensor::Device;
use burn_pg_envs::{VectorEnv, make};

use super::assemble::{Recipe, assemble};
use crate::{
    Error, Trainer,
    advantage::{Bootstrap, RewardToGo},
    config::CheckedConfig,
    loss::{Entropy, Objective, PolicyGradient},
    policy::MlpActorCritic,
    rollout::RolloutLength,
};

/// REINFORCE: the vanilla policy gradient over whole episodes, one of each environment, with the discounted rewards that
/// follow an action as its weight. No critic is trained and none is read: what lies behind a time limit counts as nothing.
///
/// Source: R. Williams, *Simple statistical gradient-following algorithms for connectionist reinforcement learning* (1992).
///
/// # Errors
/// [`Error::Env`] if the environment is unknown; [`Error::Space`] if its spaces are not supported.
pub fn reinforce(config: &CheckedConfig, device: &Device) -> Result<Trainer<MlpActorCritic>, Error> {
    reinforce_in(make(&config.env, config.num_envs)?, config, device)
}

/// [`reinforce`] in environments of your own; `env` of the configuration is not looked at.
///
/// # Errors
/// [`Error::Config`] if the environments are not `num_envs`; [`Error::Space`] if their spaces are not supported.
pub fn reinforce_in(
    envs: Box<dyn VectorEnv>,
    config: &CheckedConfig,
    device: &Device,
) -> Result<Trainer<MlpActorCritic>, Error> {
    let recipe = Recipe {
        length: RolloutLength::Episodes,
        estimator: Box::new(RewardToGo { gamma: config.gamma, baseline: false, bootstrap: Bootstrap::Zero }),
        objective: Objective::new().with(1.0, PolicyGradient).with(config.entropy_weight, Entropy),
    };
    assemble(recipe, envs, config, device)
}
