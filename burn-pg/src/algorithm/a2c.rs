//! Advantage actor-critic.

use burn::tensor::Device;
use burn_pg_envs::{VectorEnv, make};

use super::assemble::{Recipe, assemble};
use crate::{
    Error, Trainer,
    advantage::Gae,
    config::CheckedConfig,
    loss::{Entropy, Objective, PolicyGradient, Value, ValueClip},
    policy::MlpActorCritic,
    rollout::RolloutLength,
};

/// Advantage actor-critic, synchronous: the policy gradient with a learnt value as its baseline, one step a rollout.
///
/// Source: V. Mnih and others, *Asynchronous methods for deep reinforcement learning* (2016), in the synchronous form.
///
/// # Errors
/// [`Error::Env`] if the environment is unknown; [`Error::Space`] if its spaces are not supported.
pub fn a2c(config: &CheckedConfig, device: &Device) -> Result<Trainer<MlpActorCritic>, Error> {
    a2c_in(make(&config.env, config.num_envs)?, config, device)
}

/// [`a2c`] in environments of your own; `env` of the configuration is not looked at.
///
/// # Errors
/// [`Error::Config`] if the environments are not `num_envs`; [`Error::Space`] if their spaces are not supported.
pub fn a2c_in(
    envs: Box<dyn VectorEnv>,
    config: &CheckedConfig,
    device: &Device,
) -> Result<Trainer<MlpActorCritic>, Error> {
    let recipe = Recipe {
        length: RolloutLength::Steps(config.num_steps),
        estimator: Box::new(Gae { gamma: config.gamma, lambda: config.gae_lambda }),
        objective: Objective::new()
            .with(1.0, PolicyGradient)
            .with(config.value_weight, Value { clip: ValueClip::Off })
            .with(config.entropy_weight, Entropy),
    };
    assemble(recipe, envs, config, device)
}
