//! Settings of tasks that learn from stored examples.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::learning::PreferenceLoss;

/// Pretraining: a new model, or more training of an old one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pretrain {
    /// Documents: JSON lines with `text`, or a text file with one document a line.
    pub data: PathBuf,
    /// The folder of a model to train on. Default: a new one, of the sizes below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<PathBuf>,
    /// The sizes of a new model.
    pub new: NewModel,
    /// Documents for each update. Default 32.
    pub batch: usize,
    /// Share of the documents that are only for the final figures, 0 to below 1. Default 0.05.
    pub held_out: f64,
}

impl Default for Pretrain {
    fn default() -> Self {
        Self { data: PathBuf::new(), model: None, new: NewModel::default(), batch: 32, held_out: 0.05 }
    }
}

/// The sizes of a new model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewModel {
    /// `gpt2` or `llama`. Default `llama`.
    pub family: FamilyName,
    /// Number of tokens in the vocabulary, which is learned from the documents: at least 258. Default 2,048.
    pub vocabulary: usize,
    /// Most tokens of a text. Default 128.
    pub context: usize,
    /// Width of a hidden state, a multiple of `heads`. Default 192.
    pub width: usize,
    /// Width of the hidden layer of perceptrons. Default 512.
    pub hidden: usize,
    /// Number of blocks. Default 4.
    pub blocks: usize,
    /// Heads of attention. Default 6.
    pub heads: usize,
    /// Heads with keys and values of their own, a divisor of `heads`; `heads` for GPT-2. Default 6.
    pub groups: usize,
}

impl Default for NewModel {
    fn default() -> Self {
        Self {
            family: FamilyName::Llama,
            vocabulary: 2048,
            context: 128,
            width: 192,
            hidden: 512,
            blocks: 4,
            heads: 6,
            groups: 6,
        }
    }
}

/// The name of a family of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FamilyName {
    /// GPT-2.
    Gpt2,
    /// Llama.
    Llama,
}

/// Supervised fine-tuning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sft {
    /// The folder of the model.
    pub model: PathBuf,
    /// Demonstrations: JSON lines with `prompt` or `messages`, and `completion`.
    pub data: PathBuf,
    /// Demonstrations for each update. Default 16.
    pub batch: usize,
    /// Share of the demonstrations that are only for the final figures, 0 to below 1. Default 0.05.
    pub held_out: f64,
}

impl Default for Sft {
    fn default() -> Self {
        Self { model: PathBuf::new(), data: PathBuf::new(), batch: 16, held_out: 0.05 }
    }
}

/// Learning of a reward model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RewardModelling {
    /// The folder of the model whose body is used.
    pub model: PathBuf,
    /// Preferences: JSON lines with `prompt`, `chosen` and `rejected`; or, with `pairs`, texts with `ratings`.
    pub data: PathBuf,
    /// Draw this number of pairs from texts that several raters have rated: of each text, a rater at random. Default: `data` has pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pairs: Option<usize>,
    /// Pairs for each update. Default 16.
    pub batch: usize,
    /// Share of the prompts (or rated texts) that are only for the final figures, 0 to below 1. Default 0.1.
    pub held_out: f64,
    /// Weight of the square of the sum of both scores, which keeps them near 0; 0 or more. Default 0.01.
    pub centring: f64,
}

impl Default for RewardModelling {
    fn default() -> Self {
        Self { model: PathBuf::new(), data: PathBuf::new(), pairs: None, batch: 16, held_out: 0.1, centring: 0.01 }
    }
}

/// Direct preference optimisation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dpo {
    /// The folder of the model, which is also the reference.
    pub model: PathBuf,
    /// Preferences: JSON lines with `prompt`, `chosen` and `rejected`. `tie` is allowed only with the loss `sigmoid`. `margin` is ignored.
    pub data: PathBuf,
    /// Pairs for each update. Default 16.
    pub batch: usize,
    /// Share of the prompts whose pairs are only for the final figures, 0 to below 1. Default 0.1.
    pub held_out: f64,
    /// Weight of the KL divergence from the reference, more than 0. Default 0.1.
    pub beta: f64,
    /// The loss: `sigmoid`, `hinge` or `squared`. Default `sigmoid`.
    pub loss: PreferenceLoss,
    /// True to compare means over tokens instead of sums. Default: true with the loss `squared`, otherwise false. (With sums, a long completion
    /// reaches the target difference of `squared`, `1 / (2 beta)`, with smaller changes of each token.)
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_token: Option<bool>,
}

impl Dpo {
    /// True if means over tokens are compared, in place of sums.
    #[must_use]
    pub fn is_per_token(&self) -> bool {
        self.per_token.unwrap_or(self.loss == PreferenceLoss::Squared)
    }
}

impl Default for Dpo {
    fn default() -> Self {
        Self {
            model: PathBuf::new(),
            data: PathBuf::new(),
            batch: 16,
            held_out: 0.1,
            beta: 0.1,
            loss: PreferenceLoss::Sigmoid,
            per_token: None,
        }
    }
}
