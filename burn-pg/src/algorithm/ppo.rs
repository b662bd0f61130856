//! Proximal policy optimisation.

use burn::tensor::Device;
use burn_pg_envs::{VectorEnv, make};

use crate::{
    Error,
    advantage::Gae,
    config::CheckedConfig,
    loss::{Entropy, Objective, PpoClip, Value},
    optim::{Adam, Schedule},
    policy::MlpActorCritic,
    rollout::Collector,
    streams,
    train::{Parts, Trainer},
};

/// PPO with the clipped surrogate, on a registered environment, with a perceptron as policy and another as value.
///
/// # Errors
/// [`Error::Env`] if the environment is unknown; [`Error::Config`] if its spaces are not supported.
pub fn ppo(config: &CheckedConfig, device: &Device) -> Result<Trainer<MlpActorCritic>, Error> {
    ppo_in(make(&config.env, config.num_envs)?, config, device)
}

/// [`ppo`] in environments of your own; `env` and `num_envs` of the configuration are not looked at.
///
/// # Errors
/// [`Error::Config`] if the spaces are not supported.
pub fn ppo_in(
    envs: Box<dyn VectorEnv>,
    config: &CheckedConfig,
    device: &Device,
) -> Result<Trainer<MlpActorCritic>, Error> {
    let policy = MlpActorCritic::new(
        envs.spec(),
        &config.hidden_sizes,
        config.activation,
        &mut streams::weights(config.seed),
        &device.clone().autodiff(),
    )?;
    let parts = Parts {
        collector: Collector::new(envs, config.num_steps, config.seed, device)?,
        policy,
        estimator: Box::new(Gae {
            gamma: config.gamma,
            lambda: config.gae_lambda,
        }),
        objective: Objective::new()
            .with(
                1.0,
                PpoClip {
                    clip_range: config.clip_range,
                },
            )
            .with(
                config.value_weight,
                Value {
                    clip_range: config.clip_value.then_some(config.clip_range),
                },
            )
            .with(config.entropy_weight, Entropy),
        optimiser: Adam::new(config.adam_epsilon),
        learning_rate: match (config.anneal_learning_rate, config.learning_rate) {
            (true, start) => Schedule::LinearDecay { start },
            (false, value) => Schedule::Constant { value },
        },
    };
    Ok(Trainer::new(parts, config, device))
}
