//! Settings of a run on texts.

use std::path::PathBuf;

use burn_pg::{
    loss::Averaging,
    optim::{AdamWSpec, OptimiserSpec, Schedule},
};
use serde::{Deserialize, Serialize};

use crate::{
    learning::{KlPlace, PreferenceLoss, Sample},
    model::Lora,
};

/// Everything that a run on texts is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
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
    /// Number of updates, at least 1. Default 100.
    pub updates: u64,
    /// Rows (texts or pairs) that are differentiated at once: less takes less memory. Default 8.
    pub micro_batch: usize,
    /// Learning rate: a number or a schedule. Default 1e-4.
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
        }
    }
}

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
    /// Tokens of the vocabulary, which is learned from the documents: at least 257. Default 2,048.
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
    /// Share of the pairs (or rated texts) that are only for the final figures, 0 to below 1. Default 0.1.
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
    /// Preferences: JSON lines with `prompt`, `chosen` and `rejected`.
    pub data: PathBuf,
    /// Pairs for each update. Default 16.
    pub batch: usize,
    /// Share of the pairs that are only for the final figures, 0 to below 1. Default 0.1.
    pub held_out: f64,
    /// Weight of the KL divergence from the reference, more than 0. Default 0.1.
    pub beta: f64,
    /// The loss: `sigmoid`, `hinge` or `squared`. Default `sigmoid`.
    pub loss: PreferenceLoss,
    /// True to take means over tokens in place of sums. Default false.
    pub per_token: bool,
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
            per_token: false,
        }
    }
}

/// Reinforcement learning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rl {
    /// The folder of the model. It is also the reference.
    pub model: PathBuf,
    /// Prompts: JSON lines with `prompt` or `messages`.
    pub data: PathBuf,
    /// What is rewarded: one or more, added up.
    pub rewards: Vec<RewardSpec>,
    /// Prompts for each update. Default 8.
    pub prompts: usize,
    /// Completions of each prompt. Default 8.
    pub group_size: usize,
    /// Most tokens of a completion. Default 64.
    pub tokens: usize,
    /// `rloo`, `grpo`, `reinforce` or `ppo`. Default `rloo`.
    pub algorithm: Algorithm,
    /// The KL divergence from the reference.
    pub kl: Kl,
    /// Subtracted from the score of a completion that was cut off, 0 or more. Default 0.
    pub missing_end: f64,
    /// What ratios and advantages are for: `token`, `completion` or `mean_of_completion`. Default `token`.
    pub sample: Sample,
    /// How losses of tokens are averaged: `token`, `sequence` or `constant` (by `tokens`). Default `token`.
    pub averaging: AveragingName,
    /// `grpo`: the divisor of advantages: `group`, `batch` or `none`. Default `group`.
    pub scale: ScaleName,
    /// True to shift and scale the advantages of an update to mean 0 and standard deviation 1. Default false.
    pub whiten_advantages: bool,
    /// `ppo`: true to scale rewards of tokens to a standard deviation of 1. Default false.
    pub whiten_rewards: bool,
    /// Passes over the completions of an update. Default 1.
    pub epochs: usize,
    /// Minibatches of a pass. Default 1.
    pub minibatches: usize,
    /// How far ratios may move: `[1 - clip_range, 1 + clip_range]`. Default 0.2.
    pub clip_range: Schedule,
    /// How far above 1, if not as far as below. Default: as far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_upper: Option<Schedule>,
    /// The highest ratio where advantages are negative, more than 1. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dual_clip: Option<f64>,
    /// Weight of the entropy, 0 or more. Default 0.
    pub entropy_weight: f64,
    /// `ppo`: weight of the loss of the critic. Default 0.1.
    pub value_weight: f64,
    /// `ppo`: discount of later rewards, 0 to 1. Default 1.
    pub gamma: f64,
    /// `ppo`: weight of longer sums in advantages, 0 to 1. Default 0.95.
    pub gae_lambda: f64,
    /// Updates between samples that are kept to read, 0 for none. Default 10.
    pub samples_interval: u64,
}

impl Default for Rl {
    fn default() -> Self {
        Self {
            model: PathBuf::new(),
            data: PathBuf::new(),
            rewards: Vec::new(),
            prompts: 8,
            group_size: 8,
            tokens: 64,
            algorithm: Algorithm::Rloo,
            kl: Kl::default(),
            missing_end: 0.0,
            sample: Sample::Token,
            averaging: AveragingName::Token,
            scale: ScaleName::Group,
            whiten_advantages: false,
            whiten_rewards: false,
            epochs: 1,
            minibatches: 1,
            clip_range: 0.2.into(),
            clip_upper: None,
            dual_clip: None,
            entropy_weight: 0.0,
            value_weight: 0.1,
            gamma: 1.0,
            gae_lambda: 0.95,
            samples_interval: 10,
        }
    }
}

/// How scores become advantages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// Against the mean of the others of the group.
    Rloo,
    /// Against the mean of the group, divided by a standard deviation.
    Grpo,
    /// Against the mean of all others.
    Reinforce,
    /// With a critic.
    Ppo,
}

/// How losses of tokens are averaged: see [`Averaging`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AveragingName {
    /// [`Averaging::Token`]
    Token,
    /// [`Averaging::Sequence`]
    Sequence,
    /// [`Averaging::Constant`], with the most tokens of a completion.
    Constant,
}

impl AveragingName {
    /// Returns the averaging of completions of at most `tokens` tokens.
    #[must_use]
    pub fn of(self, tokens: usize) -> Averaging {
        match self {
            Self::Token => Averaging::Token,
            Self::Sequence => Averaging::Sequence,
            Self::Constant => Averaging::Constant(tokens as f64),
        }
    }
}

/// The divisor of GRPO's advantages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScaleName {
    /// The standard deviation of the group.
    Group,
    /// The standard deviation of all.
    Batch,
    /// None.
    None,
}

/// The KL divergence from the reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kl {
    /// Its weight, beta, 0 or more. Default 0.05.
    pub weight: f64,
    /// `reward` (as sampled, in the rewards), or a term of the objective: `k2`, `k3` (corrected by the ratio) or `exact` (over the
    /// vocabulary). Default `reward`.
    pub form: KlForm,
    /// Change the weight until a completion diverges by this number of nats, more than 0; only for `reward`. Default: a constant weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    /// With a target: completions after which an error of 100 % would have doubled the weight. Default 10,000.
    pub horizon: f64,
}

impl Default for Kl {
    fn default() -> Self {
        Self { weight: 0.05, form: KlForm::Reward, target: None, horizon: 10_000.0 }
    }
}

/// A form of the KL divergence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlForm {
    /// In the rewards, as sampled.
    Reward,
    /// A term: half the squared difference.
    K2,
    /// A term: the ratio times k3.
    K3,
    /// A term: over the whole vocabulary.
    Exact,
}

impl KlForm {
    /// Returns where the divergence is subtracted.
    #[must_use]
    pub fn place(self) -> KlPlace {
        if self == Self::Reward { KlPlace::Reward } else { KlPlace::Term }
    }
}

/// A reward, with its weight in the sum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RewardSpec {
    /// The weight. Default 1.
    #[serde(default = "one")]
    pub weight: f64,
    /// The name in metrics. Default: the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What is rewarded.
    #[serde(flatten)]
    pub kind: RewardKind,
}

fn one() -> f64 {
    1.0
}

/// What is rewarded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RewardKind {
    /// The score of a reward model.
    Model {
        /// Its folder.
        folder: PathBuf,
    },
    /// Completions of about this number of words.
    Words {
        /// The number.
        target: f64,
    },
    /// The share of these words.
    Contains {
        /// The words.
        words: Vec<String>,
    },
    /// Positive words of a lexicon.
    Lexicon {
        /// A file as VADER's.
        file: PathBuf,
    },
    /// What a program says.
    Script {
        /// The program and its arguments.
        command: Vec<String>,
        /// Seconds after which it has failed. Default 60.
        #[serde(default = "minute")]
        timeout: f64,
    },
}

fn minute() -> f64 {
    60.0
}

impl RewardKind {
    /// Returns the name of the kind.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Model { .. } => "model",
            Self::Words { .. } => "words",
            Self::Contains { .. } => "contains",
            Self::Lexicon { .. } => "lexicon",
            Self::Script { .. } => "script",
        }
    }
}
