//! Environments with the wrappers that a configuration needs.

use burn_pg_envs::{
    EnvError, Space, VectorEnv,
    wrapper::{ActionTransform, Normalize, ObservationNormalizer, RewardNormalizer, TransformActions},
};

use crate::config::CheckedConfig;

/// Wraps environments for training: continuous actions are clipped to their bounds, or rescaled to them if the policy
/// squashes actions or has a Beta distribution; observations and rewards are normalised if the configuration says so.
///
/// # Errors
/// [`EnvError::Unsuited`] if actions are to be rescaled, but the action space of the environment is unbounded;
/// [`EnvError::Failed`] if an environment cannot be reset.
pub fn training_envs(envs: Box<dyn VectorEnv>, config: &CheckedConfig) -> Result<Box<dyn VectorEnv>, EnvError> {
    let space = &envs.spec().action_space;
    let transform = match (space, config.network.exploration.is_bounded()) {
        (Space::Box { .. }, true) => Some(ActionTransform::rescale(space)?),
        (Space::Box { .. }, false) => Some(ActionTransform::clip(space)?),
        _ => None,
    };
    training_envs_from(envs, transform, config, None)
}

/// Wraps environments as [`training_envs`] does, with this transform of continuous actions. If observations are
/// normalised, their statistics start with those of `start`.
pub(super) fn training_envs_from(
    mut envs: Box<dyn VectorEnv>,
    transform: Option<ActionTransform>,
    config: &CheckedConfig,
    start: Option<&ObservationNormalizer>,
) -> Result<Box<dyn VectorEnv>, EnvError> {
    if let Some(transform) = transform {
        envs = Box::new(TransformActions::new(envs, transform)?);
    }
    if !config.env.normalize_observations && !config.env.normalize_rewards {
        return Ok(envs);
    }
    let len = envs.spec().observation_space.flat_len();
    let start = || start.cloned().unwrap_or_else(|| ObservationNormalizer::new(len));
    let observations = config.env.normalize_observations.then(start);
    let rewards =
        config.env.normalize_rewards.then(|| RewardNormalizer::new(envs.num_envs(), config.algorithm.gamma()));
    let mut envs = Normalize::with_normalizers(envs, observations, rewards)?;
    envs.set_training(true);
    Ok(Box::new(envs))
}
