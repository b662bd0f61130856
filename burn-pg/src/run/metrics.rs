//! What is reported of an update.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What one update did. Serialised, it is one line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpdateStats {
    /// The update, counted from 1.
    pub update: u64,
    /// Environment steps taken so far.
    pub env_steps: u64,
    /// Episodes that have ended so far.
    pub episodes: u64,
    /// Updates given up so far, because of [faults](crate::config::Faults) that the configuration lets pass.
    #[serde(default)]
    pub faults: u64,
    /// Mean return of the last 100 episodes; none before the first has ended.
    pub episode_return_mean: Option<f64>,
    /// Mean length of the last 100 episodes, in steps.
    pub episode_length_mean: Option<f64>,
    /// The learning rate of this update.
    pub learning_rate: f64,
    /// Passes over the rollout: fewer than configured if the policy moved beyond `target_kl`.
    pub epochs: usize,
    /// Share of the variance of the returns that the values explained before this update: 1 is perfect, 0 no better
    /// than a constant, and none if the returns do not vary.
    pub explained_variance: Option<f64>,
    /// The metrics of the loss terms, the whole `loss`, and the `grad_norm` before clipping; each is the mean over the
    /// minibatches of all epochs. Those of a [`TrustRegion`](crate::TrustRegion) are from its one step, and do not count in `loss`.
    #[serde(flatten)]
    pub losses: BTreeMap<String, f64>,
    /// Seconds since the run began. A time field: it differs from run to run.
    pub elapsed_seconds: f64,
    /// Environment steps per second since the run began. A time field.
    pub steps_per_second: f64,
}

impl UpdateStats {
    /// The names of the time fields, in which two runs of the same seed differ.
    pub const TIME_FIELDS: [&'static str; 2] = ["elapsed_seconds", "steps_per_second"];
}

/// `1 - Var(returns - values) / Var(returns)`, or `None` if the returns do not vary.
#[must_use]
pub fn explained_variance(values: &[f32], returns: &[f64]) -> Option<f64> {
    let variance = |numbers: &mut dyn Iterator<Item = f64>| {
        let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
        for number in numbers {
            count += 1.0;
            let delta = number - mean;
            mean += delta / count;
            squares += delta * (number - mean);
        }
        squares / count
    };
    let total = variance(&mut returns.iter().copied());
    let errors = returns.iter().zip(values).map(|(r, &v)| r - f64::from(v));
    let left = variance(&mut { errors });
    (total > 0.0).then(|| 1.0 - left / total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explained_variance_is_one_for_perfect_values_and_zero_for_a_constant() {
        assert_eq!(explained_variance(&[1.0, 2.0, 4.0], &[1.0, 2.0, 4.0]), Some(1.0));
        assert_eq!(explained_variance(&[3.0, 3.0, 3.0], &[1.0, 2.0, 4.0]), Some(0.0));
        assert_eq!(explained_variance(&[1.0, 2.0], &[5.0, 5.0]), None);
        // Var(returns) = 14/9, Var(errors) = 2/3 at errors -1, 0, 1.
        let share = explained_variance(&[2.0, 2.0, 3.0], &[1.0, 2.0, 4.0]).unwrap();
        assert!((share - (1.0 - (2.0 / 3.0) / (14.0 / 9.0))).abs() < 1e-12);
    }
}
