//! Settings of a run on texts.

mod rl;
mod stored;

use std::path::PathBuf;

use burn_pg::{
    config::{Faults, LogConfig},
    optim::{AdamWSpec, OptimiserSpec, Schedule},
};
use serde::{Deserialize, Serialize};

pub use rl::{Algorithm, AveragingName, Kl, KlForm, RewardKind, RewardSpec, Rl, ScaleName};
pub use stored::{Dpo, FamilyName, NewModel, Pretrain, RewardModelling, Sft};

use crate::model::Lora;

/// Everything that a run on texts is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// With adapters: the [`fingerprint`](crate::model::fingerprint) of the model that they are trained on. A run writes it when it begins, and
    /// another model is then refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// What is learned, from what.
    pub task: Task,
    /// How weights are changed.
    #[serde(default)]
    pub train: Train,
    /// Adapters, in place of all weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<Lora>,
}

/// What is learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Task {
    /// A language, from documents.
    Pretrain(Pretrain),
    /// To answer as in demonstrations.
    Sft(Sft),
    /// What raters prefer: a reward model.
    Reward(RewardModelling),
    /// To answer as raters prefer, without a reward model.
    Dpo(Dpo),
    /// To write what a reward scores highly.
    Rl(Rl),
}

impl Task {
    /// The names of all kinds.
    pub const KINDS: [&str; 5] = ["pretrain", "sft", "reward", "dpo", "rl"];

    /// Returns the name of the kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Pretrain(_) => "pretrain",
            Self::Sft(_) => "sft",
            Self::Reward(_) => "reward",
            Self::Dpo(_) => "dpo",
            Self::Rl(_) => "rl",
        }
    }

    /// Returns the file of the examples or prompts.
    #[must_use]
    pub fn data(&self) -> &PathBuf {
        match self {
            Self::Pretrain(task) => &task.data,
            Self::Sft(task) => &task.data,
            Self::Reward(task) => &task.data,
            Self::Dpo(task) => &task.data,
            Self::Rl(task) => &task.data,
        }
    }

    /// Returns the folder of the model that training starts from, if there is one.
    #[must_use]
    pub fn model(&self) -> Option<&PathBuf> {
        match self {
            Self::Pretrain(task) => task.model.as_ref(),
            Self::Sft(task) => Some(&task.model),
            Self::Reward(task) => Some(&task.model),
            Self::Dpo(task) => Some(&task.model),
            Self::Rl(task) => Some(&task.model),
        }
    }
}

/// How weights are changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Train {
    /// Number of updates, at least 1. Default 100; on the command line 2,000 for `pretrain`, 200 for `sft`, `reward` and `dpo`, 100 for `rl`.
    pub updates: u64,
    /// Rows (texts or pairs) that are differentiated at once: less takes less memory. Default 8.
    pub micro_batch: usize,
    /// Learning rate: a number or a schedule. Default 1e-4; on the command line linear to 0 from 3e-3 (`pretrain`), 2e-4 (`sft`, `reward`) or 5e-6
    /// (`dpo`), and constant 1e-5 (`rl`).
    pub learning_rate: Schedule,
    /// The optimiser. Default AdamW without weight decay.
    pub optimiser: OptimiserSpec,
    /// Largest norm of a gradient; a larger one is scaled down. Default 1.
    pub max_grad_norm: f64,
    /// Seed of all randomness. Default 1.
    pub seed: u64,
    /// Threads, 0 for one per core. Results do not depend on it. Default 0.
    pub threads: usize,
    /// Updates between checkpoints, 0 for one at the end only. Default: about every ten seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_interval: Option<u64>,
    /// Files of metrics for other programs.
    pub log: LogConfig,
    /// What happens when an update fails, or none of its completions can be scored.
    pub faults: Faults,
}

impl Default for Train {
    fn default() -> Self {
        Self {
            updates: 100,
            micro_batch: 8,
            learning_rate: 1e-4.into(),
            optimiser: OptimiserSpec::AdamW(AdamWSpec { weight_decay: 0.0, ..AdamWSpec::default() }),
            max_grad_norm: 1.0,
            seed: 1,
            threads: 0,
            checkpoint_interval: None,
            log: LogConfig::default(),
            faults: Faults::default(),
        }
    }
}
