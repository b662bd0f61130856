//! Generalised advantage estimation.

use super::{AdvantageEstimator, Targets, Trajectory};

/// Generalised advantage estimation: an exponentially weighted sum of one-step errors,
///
/// ```text
/// delta_t = r_t + gamma V(s_{t+1}) - V(s_t)
/// A_t     = delta_t + gamma lambda A_{t+1}
/// R_t     = A_t + V(s_t)
/// ```
///
/// A terminal step has no `V(s_{t+1})`; a truncated one has that of its final observation; neither has an `A_{t+1}`.
/// Computed in f64.
///
/// Source: J. Schulman, P. Moritz, S. Levine, M. Jordan, P. Abbeel, *High-dimensional continuous control using
/// generalized advantage estimation* (2016).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gae {
    /// Discount of later rewards, in `0..=1`.
    pub gamma: f64,
    /// Weight of longer sums, in `0..=1`: 0 takes the one-step error, 1 the whole discounted return.
    pub lambda: f64,
}

impl AdvantageEstimator for Gae {
    fn estimate(&self, trajectory: &Trajectory<'_>) -> Targets {
        let steps = trajectory.rewards.len();
        let mut advantages = vec![0.0; steps];
        for i in (0..steps).rev() {
            let terminated = trajectory.terminated[i];
            let ended = terminated || trajectory.truncated[i];
            // Selected, not multiplied: NaN times 0 is NaN.
            let next_value = if terminated { 0.0 } else { f64::from(trajectory.next_values[i]) };
            let carry = match advantages.get(i + trajectory.num_envs) {
                Some(next) if !ended => self.gamma * self.lambda * next,
                _ => 0.0,
            };
            let reward = f64::from(trajectory.rewards[i]);
            let delta = reward + self.gamma * next_value - f64::from(trajectory.values[i]);
            advantages[i] = delta + carry;
        }
        let with_value = |(advantage, &value): (&f64, &f32)| advantage + f64::from(value);
        Targets { returns: advantages.iter().zip(trajectory.values).map(with_value).collect(), advantages }
    }
}
