//! Whether observations are finite.

use crate::Error;

/// Refuses observations that are not finite, of shape `[N, D]`.
pub(crate) fn check_observations(observations: &[f32], num_envs: usize, env_steps: u64) -> Result<(), Error> {
    let mut rows = observations.chunks_exact(observations.len() / num_envs).enumerate();
    rows.try_for_each(|(env, row)| check_row(row, env, env_steps))
}

pub(super) fn check_row(row: &[f32], env: usize, env_steps: u64) -> Result<(), Error> {
    match row.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(Error::Observation { update: None, env, index, value: row[index], env_steps }),
    }
}
