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
/// After a terminal step `V(s_{t+1})` is 0; after a truncation it is the value of the final observation. After both
/// `A_{t+1}` is 0. Computed in f64.
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
        let advantages = trajectory.backward(|row, later: Option<f64>| {
            let delta = trajectory.reward(row) + self.gamma * trajectory.next_value(row) - trajectory.value(row);
            delta + later.map_or(0.0, |later| self.gamma * self.lambda * later)
        });
        let with_value = |(row, advantage): (usize, &f64)| advantage + trajectory.value(row);
        Targets { returns: advantages.iter().enumerate().map(with_value).collect(), advantages }
    }

    fn gae(&self) -> Option<Gae> {
        Some(*self)
    }
}
