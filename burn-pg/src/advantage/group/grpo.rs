//! Group relative policy optimisation.

use super::{
    super::{AdvantageEstimator, Targets, Trajectory},
    EPSILON, GroupSize, Statistics, first_episodes, within_groups,
};

/// The advantages of group relative policy optimisation: the score of each episode relative to the K scores of its
/// group,
///
/// ```text
/// A_i = (S_i - mean(S)) / (std(S) + 1e-4)
/// ```
///
/// with Bessel's correction in the standard deviation; `scale` offers other divisors. Scores, groups and returns are
/// those of [`Rloo`](super::Rloo).
///
/// Source: Z. Shao et al., *DeepSeekMath: pushing the limits of mathematical reasoning in open language models* (2024),
/// section 4.1; the 1e-4 is from TRL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grpo {
    /// Number of environments in a group, K.
    pub group_size: GroupSize,
    /// The divisor of the distances from the group's mean.
    pub scale: GrpoScale,
}

/// The divisor of the distances from a group's mean in [`grpo()`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrpoScale {
    /// The standard deviation of the group, plus 1e-4. Groups of almost equal scores then weigh as much as any other.
    Group,
    /// The standard deviation of all scores, plus 1e-4.
    Batch,
    /// 1, as in "Dr. GRPO". Source: Z. Liu et al., *Understanding R1-Zero-like training: a critical perspective*
    /// (2025).
    Unscaled,
}

impl AdvantageEstimator for Grpo {
    /// # Panics
    /// If the group size does not divide the number of environments.
    fn estimate(&self, trajectory: &Trajectory<'_>) -> Targets {
        first_episodes(trajectory, |scores| grpo(scores, self.group_size.get(), self.scale))
    }

    fn needs_values(&self) -> bool {
        false
    }
}

/// Returns how far each score exceeds the mean of its group, divided as `scale` says. Each `group_size` consecutive
/// scores form a group.
///
/// A score of NaN stands for a missing score: it is left out of all statistics, and its advantage is 0. The advantage
/// of a score that is alone in its group is 0 too. An infinite score makes the advantages of its group infinite or NaN;
/// with [`GrpoScale::Batch`] it makes all advantages NaN.
///
/// ```
/// use burn_pg::advantage::{GrpoScale, grpo};
///
/// assert_eq!(grpo(&[3.0, 1.0, 5.0, 5.0], 2, GrpoScale::Unscaled), [1.0, -1.0, 0.0, 0.0]);
/// ```
///
/// # Panics
/// If `group_size` is 0 or does not divide the number of scores.
#[must_use]
pub fn grpo(scores: &[f64], group_size: usize, scale: GrpoScale) -> Vec<f64> {
    let all = Statistics::of(scores.iter().copied().filter(|score| !score.is_nan()));
    let advantages = within_groups(scores, group_size, |score, group| {
        let divisor = match scale {
            GrpoScale::Group => group.deviation + EPSILON,
            GrpoScale::Batch => all.deviation + EPSILON,
            GrpoScale::Unscaled => 1.0,
        };
        (score - group.mean) / divisor
    });
    advantages.into_iter().map(Option::unwrap_or_default).collect()
}
