//! The n-step return.

use std::num::NonZeroUsize;

use super::{AdvantageEstimator, Targets, Trajectory};

/// The n-step return: `n` rewards, then the value of the state after them,
///
/// ```text
/// R_t = r_t + gamma r_{t+1} + ... + gamma^(m-1) r_{t+m-1} + gamma^m V(s_{t+m})
/// A_t = R_t - V(s_t)
/// ```
///
/// with `m = n`, or fewer where the episode or the trajectory ends earlier. After a terminal state `V(s_{t+m})` is 0;
/// after a truncation it is the value of the final observation. Computed in f64, with up to `n` additions a step.
///
/// In A3C (V. Mnih et al., *Asynchronous methods for deep reinforcement learning*, 2016), "n-step" means that each step
/// uses all rewards that the trajectory still has. That is [`RewardToGo`](super::RewardToGo) with a baseline, on
/// trajectories of `n` steps.
///
/// Source: R. S. Sutton, A. G. Barto, *Reinforcement learning: an introduction*, 2nd edition (2018), section 7.1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NStep {
    /// Discount of later rewards, in `0..=1`.
    pub gamma: f64,
    /// Number of rewards: 1 gives the one-step error; more than the length of an episode gives the whole discounted
    /// return.
    pub n: NonZeroUsize,
}

impl AdvantageEstimator for NStep {
    fn estimate(&self, trajectory: &Trajectory<'_>) -> Targets {
        let returns = (0..trajectory.len()).map(|row| self.return_from(trajectory, row)).collect();
        Targets::above_values(returns, trajectory)
    }
}

impl NStep {
    fn return_from(self, trajectory: &Trajectory<'_>, row: usize) -> f64 {
        let (mut sum, mut discount, mut last) = (0.0, 1.0, row);
        for row in trajectory.episode_from(row).take(self.n.get()) {
            sum += discount * trajectory.reward(row);
            discount *= self.gamma;
            last = row;
        }
        sum + discount * trajectory.next_value(last)
    }
}
