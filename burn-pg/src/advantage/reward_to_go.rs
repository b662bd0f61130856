//! The discounted sum of the rewards that came after an action.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AdvantageEstimator, Targets, Trajectory};

/// Reward-to-go: the discounted sum of the rewards from an action on,
///
/// ```text
/// R_t = r_t + gamma R_{t+1}
/// A_t = R_t              without a baseline
/// A_t = R_t - V(s_t)     with one
/// ```
///
/// `R_{t+1}` is 0 after a terminal step. Where an episode was truncated, and where the trajectory ends in the middle of
/// one, the later rewards are not known; `bootstrap` says what replaces them. Bootstrapping needs a critic; plain
/// REINFORCE has none:
///
/// ```
/// use burn_pg::advantage::{Bootstrap, RewardToGo};
///
/// let reinforce = RewardToGo { gamma: 0.99, baseline: false, bootstrap: Bootstrap::Zero };
/// ```
///
/// With a baseline and [`Bootstrap::NextValues`] this is [`Gae`](super::Gae) with lambda 1. Computed in f64.
///
/// Sources: R. J. Williams, *Simple statistical gradient-following algorithms for connectionist reinforcement learning*
/// (1992), for REINFORCE and its baseline; J. Achiam, *Spinning Up in deep reinforcement learning* (2018), for leaving
/// out earlier rewards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RewardToGo {
    /// Discount of later rewards, in `0..=1`.
    pub gamma: f64,
    /// True to subtract the value of the observation from the return of an action.
    pub baseline: bool,
    /// The substitute for the rewards that were cut off.
    pub bootstrap: Bootstrap,
}

/// The substitute for the rewards after a truncation, or after the end of a trajectory in the middle of an episode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bootstrap {
    /// The value of the observation that followed. Needs a critic.
    NextValues,
    /// Zero, as if the episode had terminated. Needs no critic. The returns of the last steps before a cut then lack
    /// the rewards after it, so rollouts should hold whole episodes.
    Zero,
}

impl AdvantageEstimator for RewardToGo {
    fn estimate(&self, trajectory: &Trajectory<'_>) -> Targets {
        let after_last = |row| match self.bootstrap {
            Bootstrap::NextValues => trajectory.next_value(row),
            Bootstrap::Zero => 0.0,
        };
        let returns = trajectory.backward(|row, later: Option<f64>| {
            trajectory.reward(row) + self.gamma * later.unwrap_or_else(|| after_last(row))
        });
        match self.baseline {
            true => Targets::above_values(returns, trajectory),
            false => Targets { advantages: returns.clone(), returns },
        }
    }

    fn needs_values(&self) -> bool {
        self.baseline || self.bootstrap == Bootstrap::NextValues
    }
}
