//! Returns and advantages corrected for actions of another policy.

use super::{AdvantageEstimator, Targets, Trajectory};

/// V-trace: targets for the value of a policy pi from the steps of a policy mu, with truncated importance weights,
///
/// ```text
/// rho_t   = min(rho_clip, pi(a_t|s_t) / mu(a_t|s_t))
/// c_t     = min(c_clip,   pi(a_t|s_t) / mu(a_t|s_t))
/// delta_t = rho_t (r_t + gamma V(s_{t+1}) - V(s_t))
/// v_t     = V(s_t) + delta_t + gamma c_t (v_{t+1} - V(s_{t+1}))
/// A_t     = rho_t (r_t + gamma v_{t+1} - V(s_t))
/// ```
///
/// `v` are the returns. After a terminal step `V(s_{t+1})` and `v_{t+1}` are 0. After a truncation, and at the end of
/// the trajectory, both are the value of the next observation. Computed in f64.
///
/// The advantages already contain the importance weight: use them with the plain term `-log pi(a_t|s_t) A_t`, not with
/// one that multiplies by a ratio again. On-policy, with both bounds at least 1, the result is that of
/// [`Gae`](super::Gae) with lambda 1.
///
/// Source: L. Espeholt et al., *IMPALA: scalable distributed deep-RL with importance weighted actor-learner
/// architectures* (2018), section 4; the recursion is its remark 1. As in the paper, one bound of rho serves the
/// targets and the advantages.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VTrace {
    /// Discount of later rewards, in `0..=1`.
    pub gamma: f64,
    /// Bound of rho, more than 0; 1 in the paper. It determines which policy's value the targets converge to: that of
    /// mu near 0, that of pi at infinity.
    pub rho_clip: f64,
    /// Bound of c, more than 0 and at most `rho_clip`; 1 in the paper. It determines how far later errors reach back,
    /// but not what the targets converge to.
    pub c_clip: f64,
}

/// The results of a step that the step before it needs.
#[derive(Clone, Copy, Default)]
struct Corrected {
    /// `v_t`.
    target: f64,
    /// `v_t - V(s_t)`.
    excess: f64,
    /// `A_t`.
    advantage: f64,
}

impl AdvantageEstimator for VTrace {
    fn estimate(&self, trajectory: &Trajectory<'_>) -> Targets {
        let steps = trajectory.backward(|row, later: Option<Corrected>| {
            let ratio = trajectory.log_ratio(row).exp();
            let (rho, c) = (at_most(self.rho_clip, ratio), at_most(self.c_clip, ratio));
            let (reward, value) = (trajectory.reward(row), trajectory.value(row));
            let next_value = trajectory.next_value(row);
            let next_target = later.map_or(next_value, |later| later.target);

            let delta = rho * (reward + self.gamma * next_value - value);
            let excess = delta + later.map_or(0.0, |later| self.gamma * c * later.excess);
            let advantage = rho * (reward + self.gamma * next_target - value);
            Corrected { target: value + excess, excess, advantage }
        });
        Targets {
            advantages: steps.iter().map(|step| step.advantage).collect(),
            returns: steps.iter().map(|step| step.target).collect(),
        }
    }
}

/// Returns the smaller of the two. Unlike `f64::min`, it returns NaN for a ratio of NaN, not the bound.
fn at_most(bound: f64, ratio: f64) -> f64 {
    if ratio > bound { bound } else { ratio }
}
