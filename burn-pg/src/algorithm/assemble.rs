//! What all algorithms have in common.

use burn::tensor::Device;
use burn_pg_envs::VectorEnv;

use super::training_envs;
use crate::{
    Error,
    advantage::AdvantageEstimator,
    config::{CheckedConfig, ConfigError},
    learner::Learner,
    loss::Objective,
    optim::Schedule,
    policy::MlpActorCritic,
    rollout::{Collector, RolloutLength},
    streams,
    train::{Parts, Trainer},
};

/// The parts in which algorithms differ.
pub(super) struct Recipe {
    /// Where a rollout ends.
    pub length: RolloutLength,
    /// How good the actions were.
    pub estimator: Box<dyn AdvantageEstimator>,
    /// What is minimised, unless the configuration says otherwise.
    pub objective: Objective,
}

/// A run with perceptrons for policy and value, and everything but the recipe from the configuration.
pub(super) fn assemble(
    recipe: Recipe,
    envs: Box<dyn VectorEnv>,
    config: &CheckedConfig,
    device: &Device,
) -> Result<Trainer<MlpActorCritic>, Error> {
    if envs.num_envs() != config.num_envs {
        return Err(ConfigError::EnvCount { num_envs: config.num_envs, given: envs.num_envs() }.into());
    }
    let envs = training_envs(envs, config)?;
    let rng = &mut streams::weights(config.seed);
    let policy = MlpActorCritic::new(envs.spec(), &config.mlp_shape(), rng, &device.clone().autodiff())?;
    let learner = Learner {
        policy,
        objective: match config.loss.is_empty() {
            true => recipe.objective,
            false => Objective::from_specs(&config.loss)?,
        },
        optimiser: config.optimiser.build(),
        max_grad_norm: config.max_grad_norm,
        normalize_advantages: config.normalize_advantages,
        micro_batch_size: None,
    };
    let parts = Parts {
        collector: Collector::new(envs, recipe.length, config.seed, device)?
            .with_sequences(config.recurrence.sequences()),
        estimator: recipe.estimator,
        learner,
        learning_rate: match (config.anneal_learning_rate, config.learning_rate) {
            (true, start) => Schedule::Linear { start, end: 0.0 },
            (false, value) => Schedule::Constant { value },
        },
    };
    Trainer::new(parts, config, device)
}
