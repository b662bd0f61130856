//! Normalised rewards.

use serde::{Deserialize, Serialize};

use super::{EPSILON, RunningMoments};

/// Divides rewards by the running standard deviation of the discounted return, and clips them:
/// `clip(r / sqrt(variance + 1e-8), -clip, clip)`. Rewards are not shifted, because that would change the task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RewardNormalizer {
    /// Moments of the discounted returns, one value per environment step.
    pub moments: RunningMoments,
    /// Discounted return of each running episode. Shape `[N]`.
    pub returns: Vec<f64>,
    /// Discount of the returns.
    pub gamma: f64,
    /// Bound of normalised rewards; 10 by default.
    pub clip: f64,
}

impl RewardNormalizer {
    /// Creates the normaliser of `num_envs` environments, before the first reward.
    #[must_use]
    pub fn new(num_envs: usize, gamma: f64) -> Self {
        Self { moments: RunningMoments::new(1), returns: vec![0.0; num_envs], gamma, clip: 10.0 }
    }

    /// Updates the statistics with rewards of shape `[N]`.
    pub fn update(&mut self, rewards: &[f64]) {
        let totals: Vec<f64> = rewards.iter().enumerate().map(|(env, &reward)| self.advance(env, reward)).collect();
        self.moments.update(&totals);
    }

    /// Adds the next reward of environment `env` to its discounted return, and returns it.
    pub(crate) fn advance(&mut self, env: usize, reward: f64) -> f64 {
        let total = &mut self.returns[env];
        *total = *total * self.gamma + reward;
        *total
    }

    /// Returns the normalised reward.
    #[must_use]
    pub fn apply(&self, reward: f64) -> f64 {
        (reward / (self.moments.variance[0] + EPSILON).sqrt()).clamp(-self.clip, self.clip)
    }
}
