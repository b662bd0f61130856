//! Settings of the evaluation after training.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The evaluation after training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationConfig {
    /// Episodes to play with the most probable actions, 1 to 1,048,576. Default 100.
    pub episodes: usize,
}

impl Default for EvaluationConfig {
    fn default() -> Self {
        Self { episodes: 100 }
    }
}
