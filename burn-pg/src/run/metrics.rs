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
