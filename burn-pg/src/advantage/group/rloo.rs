//! REINFORCE leave-one-out.

use super::{
    super::{AdvantageEstimator, Targets, Trajectory},
    EPSILON, GroupSize, Statistics, first_episodes, within_groups,
};

/// REINFORCE leave-one-out: how far the score of each episode exceeds the mean score of the K - 1 others in its group,
///
/// ```text
/// A_i = S_i - (sum over j != i of S_j) / (K - 1)
/// ```
///
/// The score of an environment is the sum of rewards of its first episode in the trajectory. Every step of that episode
/// has the advantage of the episode; steps of later episodes have advantage 0 and train nothing. Rewards after a
/// truncation or the end of the trajectory count as 0, because no values are used. A rollout should therefore begin
/// with a reset and be long enough for a whole episode.
///
/// Environments `0..K` form the first group, `K..2K` the second, and so on. The baseline does not depend on the action
/// it is subtracted for, so the gradient stays unbiased. Its variance is lowest if the episodes of a group begin in the
/// same state, as several answers to one prompt do. The returns are the undiscounted rewards-to-go.
///
/// Sources: W. Kool, H. van Hoof, M. Welling, *Buy 4 REINFORCE samples, get a baseline for free!* (2019); A. Ahmadian et
/// al., *Back to basics: revisiting REINFORCE-style optimization for learning from human feedback in LLMs* (2024).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rloo {
    /// Number of environments in a group, K.
    pub group_size: GroupSize,
    /// True to shift and scale the advantages over all groups, as [`rloo_normalized`] does.
    pub normalize: bool,
}

impl AdvantageEstimator for Rloo {
    /// # Panics
    /// If the group size does not divide the number of environments.
    fn estimate(&self, trajectory: &Trajectory<'_>) -> Targets {
        let judge = if self.normalize { rloo_normalized } else { rloo };
        first_episodes(trajectory, |scores| judge(scores, self.group_size.get()))
    }

    fn needs_values(&self) -> bool {
        false
    }
}

/// Returns how far each score exceeds the mean of the others in its group. Each `group_size` consecutive scores form a
/// group.
///
/// A score of NaN stands for a missing score: it is left out of all means, and its advantage is 0. The advantage of a
/// score that is alone in its group is 0 too. An infinite score makes the advantages of its group infinite or NaN.
///
/// ```
/// use burn_pg::advantage::rloo;
///
/// assert_eq!(rloo(&[3.0, 1.0, 5.0, 5.0], 2), [2.0, -2.0, 0.0, 0.0]);
/// assert_eq!(rloo(&[3.0, 1.0, f64::NAN], 3), [2.0, -2.0, 0.0]);
/// ```
///
/// # Panics
/// If `group_size` is 0 or does not divide the number of scores.
#[must_use]
pub fn rloo(scores: &[f64], group_size: usize) -> Vec<f64> {
    leave_one_out(scores, group_size).into_iter().map(Option::unwrap_or_default).collect()
}

/// Returns the advantages of [`rloo()`], shifted to mean 0 over all groups and divided by their standard deviation
/// (with Bessel's correction) plus 1e-4. Scores that are NaN or alone in their group are left out of both, and their
/// advantage stays 0.
///
/// # Panics
/// If `group_size` is 0 or does not divide the number of scores.
#[must_use]
pub fn rloo_normalized(scores: &[f64], group_size: usize) -> Vec<f64> {
    let advantages = leave_one_out(scores, group_size);
    let all = Statistics::of(advantages.iter().copied().flatten());
    let normalize = |advantage| (advantage - all.mean) / (all.deviation + EPSILON);
    advantages.into_iter().map(|advantage| advantage.map_or(0.0, normalize)).collect()
}

fn leave_one_out(scores: &[f64], group_size: usize) -> Vec<Option<f64>> {
    // S_i - (K mean - S_i) / (K - 1) = (S_i - mean) K / (K - 1). The right side is more accurate.
    within_groups(scores, group_size, |score, group| {
        let count = group.count as f64;
        (score - group.mean) * (count / (count - 1.0))
    })
}
