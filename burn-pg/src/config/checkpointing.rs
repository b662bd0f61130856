//! Which checkpoints of a run are saved and kept.

use serde::{Deserialize, Serialize};

/// When a [`Session`](crate::run::Session) saves [checkpoints](crate::run::checkpoint) during training. One is also
/// saved at the end, and when a run is interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointSpec {
    /// Updates from one checkpoint to the next; 0 for none in between. Default: none, a checkpoint every ten seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<u64>,
    /// Number of latest checkpoints to keep, at least 1; the best one is also kept. Default 2.
    pub keep: usize,
    /// Episodes over which each checkpoint is evaluated, to find the best, at most 1,048,576; 0 for no evaluation.
    /// Default 0.
    pub eval_episodes: usize,
}

impl Default for CheckpointSpec {
    fn default() -> Self {
        Self { interval: None, keep: 2, eval_episodes: 0 }
    }
}
