//! Settings of reinforcement learning.

use std::path::PathBuf;

use burn_pg::{loss::Averaging, optim::Schedule};
use serde::{Deserialize, Serialize};

use crate::learning::{KlPlace, Sample};

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
    /// How far ratios may rise above 1, more than 0. Default: `clip_range`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_upper: Option<Schedule>,
    /// The highest ratio where advantages are negative, more than 1. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dual_clip: Option<f64>,
    /// Weight of the entropy, 0 or more. Default 0.
    pub entropy_weight: f64,
    /// `ppo`: weight of the loss of the critic. Default 0.1.
    pub value_weight: f64,
    /// `ppo`: how far values may move from those before the update, more than 0, in the unit of the scores. Default: without limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_clip: Option<Schedule>,
    /// `rloo`: true to shift and scale the advantages of all completions to mean 0 and a standard deviation of 1. Default false.
    pub normalize: bool,
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
            value_clip: None,
            normalize: false,
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
    /// Change the weight until the KL divergence of a completion is this number of nats, more than 0; only for `reward`. Default: a constant weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    /// With a target: how slowly the weight adapts. An update of `n` completions multiplies the weight by `1 + e n / horizon`, where `e` is the
    /// relative error of the KL divergence, limited to ±0.2. Default 10,000.
    pub horizon: f64,
    /// True to measure the KL divergence over the whole vocabulary in each update, also with a weight of 0: the metric `kl_exact`. The policy
    /// and the reference read each completion once more for it. Default false.
    pub measure: bool,
    /// With a term: true to subtract the KL divergence of later tokens from the advantage of a token. The gradient is then that of the KL divergence of
    /// texts. False for the term alone, as GRPO was published. Default true.
    pub later_tokens: bool,
}

impl Kl {
    /// True if the policy is compared with its reference.
    #[must_use]
    pub fn needs_reference(&self) -> bool {
        self.weight > 0.0 || self.measure
    }

    /// Returns where the KL divergence is subtracted.
    #[must_use]
    pub fn place(&self) -> KlPlace {
        match (self.form, self.later_tokens) {
            (KlForm::Reward, _) => KlPlace::Reward,
            (_, true) => KlPlace::Term,
            (_, false) => KlPlace::TermAlone,
        }
    }
}

impl Default for Kl {
    fn default() -> Self {
        Self { weight: 0.05, form: KlForm::Reward, target: None, horizon: 10_000.0, measure: false, later_tokens: true }
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

/// A reward, with its weight in the sum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RewardSpec {
    /// The weight. With 0, the reward is only reported, and texts that it cannot score are still used for training. Default 1.
    #[serde(default = "one")]
    pub weight: f64,
    /// The name in metrics. Default: the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What is rewarded.
    #[serde(flatten)]
    pub kind: RewardKind,
}

impl RewardSpec {
    /// Returns the name in metrics.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(self.kind.name())
    }
}

fn one() -> f64 {
    1.0
}

/// What is rewarded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RewardKind {
    /// The score of a reward model.
    Model {
        /// Its folder. One with adapters alone is a model on the base of the policy, whose weights they share.
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
    /// The sentiment of a completion, from -1 to 1, by a lexicon: see [`Lexicon`](crate::reward::Lexicon).
    Lexicon {
        /// A file in the format of VADER's `vader_lexicon.txt`.
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rewards_have_no_other_keys_than_those_of_their_kind() {
        let read = |value| serde_json::from_value::<RewardSpec>(value);
        let spec = read(json!({ "kind": "words", "target": 20, "name": "length" })).unwrap();
        assert_eq!((spec.weight, spec.name()), (1.0, "length"));
        assert_eq!(read(serde_json::to_value(&spec).unwrap()).unwrap(), spec);
        for (value, expected) in [
            (json!({ "kind": "words", "target": 20, "weigth": 0 }), "unknown field `weigth`, expected `target`"),
            (json!({ "kind": "words", "target": 20, "file": "a" }), "unknown field `file`, expected `target`"),
            (json!({ "kind": "words" }), "missing field `target`"),
        ] {
            assert_eq!(read(value).unwrap_err().to_string(), expected);
        }
    }
}
