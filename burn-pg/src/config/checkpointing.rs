//! Which checkpoints of a run are saved and kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::storage::optional;

/// When a [`Session`](crate::run::Session) saves [checkpoints](crate::run::checkpoint) during training. One is also
/// saved at the end, and when a run is interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointConfig {
    /// Updates from one checkpoint to the next; 0 for none in between. Default none: a checkpoint every ten seconds.
    #[serde(with = "optional")]
    #[schemars(with = "Option<u64>")]
    pub interval: Option<u64>,
    /// Number of latest checkpoints to keep, at least 1, those of ends and interruptions included; the best one is also
    /// kept. Default 2.
    pub keep: usize,
    /// Episodes over which each checkpoint is evaluated, to find the best, at most 1,048,576; 0 for no evaluation.
    /// Default 0.
    pub episodes: usize,
    /// Mean return of the evaluation of a checkpoint at which the run ends; finite, and only with `episodes` and
    /// `interval`. Default none.
    #[serde(with = "optional")]
    #[schemars(with = "Option<f64>")]
    pub stop_return: Option<f64>,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self { interval: None, keep: 2, episodes: 0, stop_return: None }
    }
}
