//! Proximal policy optimisation.

use burn::tensor::Device;
use burn_pg_envs::{VectorEnv, make};

use super::assemble::{Recipe, assemble};
use crate::{
    Error, Trainer,
    advantage::Gae,
    config::CheckedConfig,
    loss::{Entropy, Objective, PpoClip, Value, ValueClip},
    policy::MlpActorCritic,
    rollout::RolloutLength,
};

/// PPO with the clipped surrogate, on a registered environment, with a perceptron as policy and another as value.
///
/// Source: J. Schulman, F. Wolski, P. Dhariwal, A. Radford, O. Klimov, *Proximal policy optimization algorithms* (2017).
///
/// # Errors
/// [`Error::Env`] if the environment is unknown; [`Error::Space`] if its spaces are not supported.
pub fn ppo(config: &CheckedConfig, device: &Device) -> Result<Trainer<MlpActorCritic>, Error> {
    ppo_in(make(&config.env, config.num_envs)?, config, device)
}

/// [`ppo`] in environments of your own; `env` of the configuration is not looked at.
///
/// # Errors
/// [`Error::Config`] if the environments are not `num_envs`; [`Error::Space`] if their spaces are not supported.
pub fn ppo_in(
    envs: Box<dyn VectorEnv>,
    config: &CheckedConfig,
    device: &Device,
) -> Result<Trainer<MlpActorCritic>, Error> {
    let range = config.clip_range;
    let clip = if config.clip_value { ValueClip::Pessimistic { range } } else { ValueClip::Off };
    let recipe = Recipe {
        length: RolloutLength::Steps(config.num_steps),
        estimator: Box::new(Gae { gamma: config.gamma, lambda: config.gae_lambda }),
        objective: Objective::new()
            .with(1.0, PpoClip { clip_range: range })
            .with(config.value_weight, Value { clip })
            .with(config.entropy_weight, Entropy),
    };
    assemble(recipe, envs, config, device)
}
