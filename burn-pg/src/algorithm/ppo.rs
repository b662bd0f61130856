//! Proximal policy optimisation.

use burn::tensor::Device;
use burn_pg_envs::{VectorEnv, make};

use crate::{
    Error,
    advantage::Gae,
    config::{CheckedConfig, ConfigError},
    learner::Learner,
    loss::{Entropy, Objective, PpoClip, Value, ValueClip},
    optim::{Adam, AdamSpec, Schedule},
    policy::MlpActorCritic,
    rollout::Collector,
    streams,
    train::{Parts, Trainer},
};

/// PPO with the clipped surrogate, on a registered environment, with a perceptron as policy and another as value.
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
    if envs.num_envs() != config.num_envs {
        return Err(ConfigError::EnvCount { num_envs: config.num_envs, given: envs.num_envs() }.into());
    }
    let policy = MlpActorCritic::new(
        envs.spec(),
        &config.hidden_sizes,
        config.activation,
        &mut streams::weights(config.seed),
        &device.clone().autodiff(),
    )?;
    let clip_range = config.clip_range;
    let clip = match config.clip_value {
        true => ValueClip::Pessimistic { range: clip_range },
        false => ValueClip::Off,
    };
    let learner = Learner {
        policy,
        objective: Objective::new()
            .with(1.0, PpoClip { clip_range })
            .with(config.value_weight, Value { clip })
            .with(config.entropy_weight, Entropy),
        optimiser: Box::new(Adam::new(AdamSpec { epsilon: config.adam_epsilon, ..AdamSpec::default() })),
        max_grad_norm: config.max_grad_norm,
        normalize_advantages: config.normalize_advantages,
        micro_batch_size: None,
    };
    let estimator = Gae { gamma: config.gamma, lambda: config.gae_lambda };
    let parts = Parts {
        collector: Collector::new(envs, config.num_steps, config.seed, device)?,
        estimator: Box::new(estimator),
        learner,
        learning_rate: match (config.anneal_learning_rate, config.learning_rate) {
            (true, start) => Schedule::Linear { start, end: 0.0 },
            (false, value) => Schedule::Constant { value },
        },
    };
    Ok(Trainer::new(parts, config, device))
}
