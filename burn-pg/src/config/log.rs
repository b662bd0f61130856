//! The formats in which a run writes its metrics for other programs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Files of metrics for other programs, beside `metrics.jsonl`, which is always written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// Write `tensorboard/` in the run directory, for `tensorboard --logdir runs`, under the names of Stable-Baselines3. Default
    /// false.
    pub tensorboard: bool,
    /// Write `metrics.csv` in the run directory. Default false.
    pub csv: bool,
}
