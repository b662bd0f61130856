//! The statistics reported for an update.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Error;

/// The statistics of one update. Serialised, they are one line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpdateStats {
    /// The update, counted from 1.
    pub update: u64,
    /// Environment steps taken so far.
    pub env_steps: u64,
    /// Episodes that have ended so far.
    pub episodes: u64,
    /// Updates skipped so far because of [faults](crate::config::Faults) that the configuration allows.
    #[serde(default)]
    pub faults: u64,
    /// Mean return of the last 100 episodes; `None` before the first episode has ended.
    pub episode_return_mean: Option<f64>,
    /// Mean length of the last 100 episodes, in steps.
    pub episode_length_mean: Option<f64>,
    /// The learning rate of this update; of its last epoch, if the rate is adapted to the KL divergence.
    pub learning_rate: f64,
    /// Epochs over the rollout: fewer than configured if the KL divergence exceeded `target_kl`.
    pub epochs: usize,
    /// Share of the variance of the returns that the values explained before this update: 1 is perfect, 0 is no better
    /// than a constant. `None` if there is no critic or the returns do not vary.
    pub explained_variance: Option<f64>,
    /// The metrics of the loss terms, the total `loss`, and the `grad_norm` before clipping, each as the mean over the
    /// minibatches of all epochs; and the metrics of the source. The metrics of a [`TrustRegion`](crate::TrustRegion)
    /// come from its one step, and its loss terms are not part of `loss`.
    #[serde(flatten)]
    pub losses: BTreeMap<String, f64>,
    /// Seconds of training so far, over all processes of the run: rollouts and updates of the policy. Checkpoints, their
    /// evaluations, metrics and observers are not included. A time field: it differs from run to run.
    pub elapsed_seconds: f64,
    /// Environment steps per second of `elapsed_seconds`, that is, of training alone. A time field.
    pub steps_per_second: f64,
}

impl UpdateStats {
    /// The names of the time fields, which differ between two runs with the same seed.
    pub const TIME_FIELDS: [&'static str; 2] = ["elapsed_seconds", "steps_per_second"];

    /// The names of all fields. No metric can have one of them.
    const FIELDS: [&'static str; 11] = [
        "update",
        "env_steps",
        "episodes",
        "faults",
        "episode_return_mean",
        "episode_length_mean",
        "learning_rate",
        "epochs",
        "explained_variance",
        Self::TIME_FIELDS[0],
        Self::TIME_FIELDS[1],
    ];
}

/// Adds the metrics of a source to those of an update. All names must differ.
pub(super) fn all_metrics(
    mut of_update: BTreeMap<String, f64>,
    of_source: Vec<(&'static str, f64)>,
) -> Result<BTreeMap<String, f64>, Error> {
    for (name, value) in of_source {
        if of_update.insert(name.to_owned(), value).is_some() {
            return Err(Error::MetricName { name: name.to_owned() });
        }
    }
    match UpdateStats::FIELDS.into_iter().find(|&field| of_update.contains_key(field)) {
        Some(field) => Err(Error::MetricName { name: field.to_owned() }),
        None => Ok(of_update),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lists_every_field_of_a_metrics_line() {
        let stats = UpdateStats {
            update: 1,
            env_steps: 2,
            episodes: 3,
            faults: 0,
            episode_return_mean: None,
            episode_length_mean: None,
            learning_rate: 1e-3,
            epochs: 4,
            explained_variance: None,
            losses: BTreeMap::new(),
            elapsed_seconds: 1.0,
            steps_per_second: 2.0,
        };
        let fields: std::collections::BTreeSet<String> =
            serde_json::to_value(stats).unwrap().as_object().unwrap().keys().cloned().collect();
        assert_eq!(fields, UpdateStats::FIELDS.map(str::to_owned).into());
    }

    #[test]
    fn a_metric_name_that_is_taken_is_refused() {
        let of_update = || BTreeMap::from([("loss".to_owned(), 1.0)]);
        let all = all_metrics(of_update(), vec![("length", 2.0)]).unwrap();
        assert_eq!(all, BTreeMap::from([("length".to_owned(), 2.0), ("loss".to_owned(), 1.0)]));
        for name in ["loss", "update", "elapsed_seconds"] {
            let error = all_metrics(of_update(), vec![(name, 2.0)]).unwrap_err();
            assert!(matches!(&error, Error::MetricName { name: taken } if taken == name), "{error}");
        }
        let twice = all_metrics(of_update(), vec![("length", 2.0), ("length", 2.0)]).unwrap_err();
        assert!(matches!(twice, Error::MetricName { .. }), "{twice}");
    }
}
