//! Which checkpoints of a run are saved and kept.

use serde::{Deserialize, Serialize};

/// When a [`Session`](crate::run::Session) saves [checkpoints](crate::run::checkpoint), besides at the end and when a run is interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointSpec {
    /// Updates from one checkpoint to the next; 0 for none in between. Default: none, a checkpoint every ten seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<u64>,
    /// Checkpoints kept, the last ones, at least 1; the best is kept besides. Default 2.
    pub keep: usize,
    /// Episodes that each checkpoint is evaluated over, to tell which is the best, at most 1,048,576; 0 for no evaluation. Default
    /// 0.
    pub eval_episodes: usize,
}

impl Default for CheckpointSpec {
    fn default() -> Self {
        Self { interval: None, keep: 2, eval_episodes: 0 }
    }
}
