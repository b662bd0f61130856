//! Checks of observations.

use burn_pg_envs::Space;

use crate::Error;

/// Checks that flat observations (shape `[N, D]`) are finite, and that values of images are integers within their
/// range.
pub(crate) fn check_observations(observations: &[f32], space: &Space, env_steps: u64) -> Result<(), Error> {
    let mut rows = observations.chunks_exact(space.flat_len()).enumerate();
    rows.try_for_each(|(env, row)| check_row(row, space, env, env_steps))
}

/// [`check_observations`] for the observation of one environment.
pub(super) fn check_row(row: &[f32], space: &Space, env: usize, env_steps: u64) -> Result<(), Error> {
    if let Some(index) = row.iter().position(|value| !value.is_finite()) {
        return Err(Error::Observation { update: None, env, index, value: row[index], env_steps });
    }
    if let Space::Box { .. } = space {
        return Ok(());
    }
    let mut start = 0;
    for part in space.parts() {
        let values = &row[start..start + part.flat_len()];
        if let Space::Image { high, .. } = *part {
            let possible = |&value: &f32| (0.0..=f32::from(high)).contains(&value) && value.fract() == 0.0;
            if let Some(index) = values.iter().position(|value| !possible(value)) {
                let (index, value) = (start + index, values[index]);
                return Err(Error::ImageValue { update: None, env, index, value, high, env_steps });
            }
        }
        start += values.len();
    }
    Ok(())
}
