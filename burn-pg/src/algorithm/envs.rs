//! Environments as a configuration asks for them.

use burn_pg_envs::{
    EnvError, Space, VectorEnv,
    wrapper::{ActionTransform, Normalize, ObservationNormalizer, RewardNormalizer, TransformActions},
};

use crate::config::CheckedConfig;

/// Environments to train in: continuous actions are clipped to their bounds, or rescaled to them if the policy squashes its
/// own; observations and rewards are normalised if the configuration says so.
///
/// # Errors
/// [`EnvError::Unsuited`] if actions are squashed, and those of the environment have no bounds; [`EnvError::Failed`] if one
/// of them cannot be reset.
pub fn training_envs(envs: Box<dyn VectorEnv>, config: &CheckedConfig) -> Result<Box<dyn VectorEnv>, EnvError> {
    let envs = bounded(envs, config)?;
    if !config.normalize_observations && !config.normalize_rewards {
        return Ok(envs);
    }
    let len = envs.spec().observation_space.flat_len();
    let observations = config.normalize_observations.then(|| ObservationNormalizer::new(len));
    let rewards = config.normalize_rewards.then(|| RewardNormalizer::new(envs.num_envs(), config.gamma));
    let mut envs = Normalize::with_normalizers(envs, observations, rewards)?;
    envs.set_training(true);
    Ok(Box::new(envs))
}

/// Environments to evaluate a policy in: as in training, but observations are normalised with what was learnt there, which
/// stays as it is, and rewards are left alone.
///
/// # Errors
/// As [`training_envs`]; [`EnvError::State`] if the normaliser is that of other environments.
pub fn evaluation_envs(
    envs: Box<dyn VectorEnv>,
    config: &CheckedConfig,
    normalizer: Option<ObservationNormalizer>,
) -> Result<Box<dyn VectorEnv>, EnvError> {
    let envs = bounded(envs, config)?;
    match normalizer {
        None => Ok(envs),
        Some(normalizer) => Ok(Box::new(Normalize::with_normalizers(envs, Some(normalizer), None)?)),
    }
}

fn bounded(envs: Box<dyn VectorEnv>, config: &CheckedConfig) -> Result<Box<dyn VectorEnv>, EnvError> {
    let space = &envs.spec().action_space;
    if !matches!(space, Space::Box { .. }) {
        return Ok(envs);
    }
    let transform = match config.exploration.squash {
        true => ActionTransform::rescale(space)?,
        false => ActionTransform::clip(space)?,
    };
    Ok(Box::new(TransformActions::new(envs, transform)?))
}
