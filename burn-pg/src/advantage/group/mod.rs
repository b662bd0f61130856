//! Advantages of episodes relative to the other episodes of their group.

mod grpo;
mod rloo;
mod size;
mod statistics;

pub use grpo::{Grpo, GrpoScale, grpo};
pub use rloo::{Rloo, rloo, rloo_normalized};
pub use size::{GroupSize, GroupSizeError};

use statistics::Statistics;

use super::{AdvantageEstimator, Bootstrap, RewardToGo, Targets, Trajectory};

/// Added to each standard deviation that is a divisor, so that a group of equal scores is not divided by 0.
const EPSILON: f64 = 1e-4;

/// Computes the advantage of each score with `judge`, from the score and the statistics of its group. A missing score
/// (NaN) is left out of the statistics and has no advantage; a score that is alone in its group has none either.
///
/// # Panics
/// If `group_size` is 0 or does not divide the number of scores.
fn within_groups(scores: &[f64], group_size: usize, judge: impl Fn(f64, &Statistics) -> f64) -> Vec<Option<f64>> {
    assert!(
        group_size > 0 && scores.len().is_multiple_of(group_size),
        "{} scores do not fall into groups of {group_size}",
        scores.len()
    );
    let mut advantages = Vec::with_capacity(scores.len());
    for group in scores.chunks_exact(group_size) {
        let statistics = Statistics::of(group.iter().copied().filter(|score| !score.is_nan()));
        let comparable = |score: f64| !score.is_nan() && statistics.count > 1;
        advantages.extend(group.iter().map(|&score| comparable(score).then(|| judge(score, &statistics))));
    }
    advantages
}

/// Gives every step of each environment's first episode the advantage of that episode. `judge` computes the advantages
/// from the scores (sums of rewards), one for each environment. Later steps have advantage 0. The returns are the
/// undiscounted rewards-to-go.
fn first_episodes(trajectory: &Trajectory<'_>, judge: impl Fn(&[f64]) -> Vec<f64>) -> Targets {
    let whole = RewardToGo { gamma: 1.0, baseline: false, bootstrap: Bootstrap::Zero };
    let returns = whole.estimate(trajectory).returns;
    // The first step's return is the sum over the first episode. (A trajectory without steps has no scores.)
    let scores = returns.get(..trajectory.num_envs).unwrap_or_default();
    let mut advantages = vec![0.0; trajectory.len()];
    for (env, advantage) in judge(scores).into_iter().enumerate() {
        for row in trajectory.episode_from(env) {
            advantages[row] = advantage;
        }
    }
    Targets { advantages, returns }
}
