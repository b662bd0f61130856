//! Numbers that change while training goes on.

use serde::{Deserialize, Serialize};

/// A number as a function of the progress of training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Schedule {
    /// Always the same.
    Constant {
        /// The value.
        value: f64,
    },
    /// From `start` in a straight line to 0 at the end of training.
    LinearDecay {
        /// The value at the beginning.
        start: f64,
    },
}

impl Schedule {
    /// The value in update `update` (from 0) of `num_updates`. The last update of a decay still has 1/`num_updates` of
    /// the start.
    #[must_use]
    pub fn at(self, update: u64, num_updates: u64) -> f64 {
        match self {
            Self::Constant { value } => value,
            // Not below 0, should someone go on past the end.
            Self::LinearDecay { start } => start * (1.0 - update as f64 / num_updates as f64).max(0.0),
        }
    }
}
