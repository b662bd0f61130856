//! Ranges of settings.

use super::{
    TaskError,
    settings::{
        Algorithm, AveragingName, Dpo, FamilyName, KlForm, NewModel, Pretrain, RewardModelling, Rl, Settings, Sft,
        Task, Train,
    },
};
use crate::learning::Sample;

/// Least tokens of a vocabulary: all bytes, the end token, and the one for padding.
const LEAST_VOCABULARY: usize = 258;

/// Refuses a setting, with the range that it must have.
fn check(key: &str, value: impl std::fmt::Display, holds: bool, range: &str) -> Result<(), TaskError> {
    if holds { Ok(()) } else { Err(TaskError::Setting(format!("`{key}` is {value}; it must be {range}"))) }
}

fn finite_from_0(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

impl Settings {
    /// Checks the ranges of all settings that need no files.
    ///
    /// # Errors
    /// [`TaskError::Setting`], the first one.
    pub fn validate(&self) -> Result<(), TaskError> {
        let Train { updates, micro_batch, learning_rate, optimiser, max_grad_norm, seed, threads, .. } = &self.train;
        check("train.updates", updates, (1..=1 << 40).contains(updates), "between 1 and 2^40")?;
        check("train.micro_batch", micro_batch, (1..=1 << 20).contains(micro_batch), "between 1 and 2^20")?;
        let rates = learning_rate.ends();
        let are_rates = rates.iter().all(|rate| rate.is_finite() && *rate >= 0.0) && rates[0] > 0.0;
        check("train.learning_rate", rates[0], are_rates, "more than 0, and at the end 0 or more")?;
        optimiser.validate().map_err(|error| TaskError::Setting(format!("`train.optimiser`: {error}")))?;
        check("train.max_grad_norm", max_grad_norm, *max_grad_norm > 0.0, "more than 0")?;
        check("train.seed", seed, i64::try_from(*seed).is_ok(), "below 2^63")?;
        check("train.threads", threads, *threads <= 1024, "at most 1024")?;
        if let Some(mistake) = self.lora.as_ref().and_then(crate::model::Lora::mistake) {
            return Err(TaskError::Setting(mistake));
        }
        if self.base.is_some() && self.lora.is_none() {
            return Err(TaskError::Setting(
                "`base` is the fingerprint of a model under adapters, but there are no adapters".into(),
            ));
        }
        match &self.task {
            Task::Pretrain(Pretrain { new, batch, held_out, model, .. }) => {
                batches(*batch, *held_out)?;
                if model.is_none() {
                    check_new(new)?;
                    let adapts = self.lora.is_some();
                    check("lora", "given", !adapts, "left out for a new model, whose weights are random")?;
                }
                Ok(())
            }
            Task::Sft(Sft { batch, held_out, .. }) => batches(*batch, *held_out),
            Task::Reward(RewardModelling { batch, held_out, centring, pairs, .. }) => {
                batches(*batch, *held_out)?;
                check(
                    "task.pairs",
                    pairs.unwrap_or(1),
                    pairs.is_none_or(|count| count >= *batch),
                    "at least `task.batch`",
                )?;
                check("task.centring", centring, finite_from_0(*centring), "0 or more")
            }
            Task::Dpo(Dpo { batch, held_out, beta, .. }) => {
                batches(*batch, *held_out)?;
                check("task.beta", beta, beta.is_finite() && *beta > 0.0, "more than 0")
            }
            Task::Rl(task) => check_rl(task),
        }
    }
}

fn batches(batch: usize, held_out: f64) -> Result<(), TaskError> {
    check("task.batch", batch, (1..=1 << 20).contains(&batch), "between 1 and 2^20")?;
    check("task.held_out", held_out, (0.0..1.0).contains(&held_out), "between 0 and below 1")
}

fn check_new(new: &NewModel) -> Result<(), TaskError> {
    let NewModel { family, vocabulary, context, width, hidden, blocks, heads, groups } = *new;
    let size = |key: &str, value: usize, least: usize| {
        check(key, value, (least..=1 << 24).contains(&value), &format!("between {least} and 2^24"))
    };
    size("task.new.vocabulary", vocabulary, LEAST_VOCABULARY)?;
    size("task.new.context", context, 2)?;
    size("task.new.width", width, 1)?;
    size("task.new.hidden", hidden, 1)?;
    size("task.new.blocks", blocks, 1)?;
    size("task.new.heads", heads, 1)?;
    check("task.new.width", width, width.is_multiple_of(heads), "a multiple of `heads`")?;
    check("task.new.groups", groups, groups > 0 && heads.is_multiple_of(groups), "a divisor of `heads`")?;
    let is_gpt2 = family == FamilyName::Gpt2;
    check("task.new.groups", groups, !is_gpt2 || groups == heads, "`heads` for GPT-2")?;
    let turns = is_gpt2 || (width / heads).is_multiple_of(2);
    check("task.new.width", width, turns, "an even number times `heads`: rotary positions turn pairs of values")
}

fn check_rl(task: &Rl) -> Result<(), TaskError> {
    let has_critic = task.algorithm == Algorithm::Ppo;
    let size = |key: &str, value: usize, least: usize| {
        check(key, value, (least..=1 << 20).contains(&value), &format!("between {least} and 2^20"))
    };
    size("task.prompts", task.prompts, 1)?;
    let grouped = matches!(task.algorithm, Algorithm::Rloo | Algorithm::Grpo);
    let group = "at least 2: completions of a prompt are compared with each other";
    check("task.group_size", task.group_size, task.group_size > usize::from(grouped), group)?;
    let all = "such that an update has at least 2 completions to compare";
    check("task.prompts", task.prompts, has_critic || task.prompts * task.group_size > 1, all)?;
    size("task.tokens", task.tokens, 1)?;
    size("task.epochs", task.epochs, 1)?;
    size("task.minibatches", task.minibatches, 1)?;
    let rows = task.prompts * task.group_size;
    check("task.minibatches", task.minibatches, task.minibatches <= rows, "at most the number of completions")?;
    check("task.rewards", "empty", !task.rewards.is_empty(), "one reward or more")?;
    for reward in &task.rewards {
        check("task.rewards.weight", reward.weight, reward.weight.is_finite(), "finite")?;
        if let super::settings::RewardKind::Script { timeout, .. } = reward.kind {
            check("task.rewards.timeout", timeout, timeout > 0.0 && timeout < 1e9, "more than 0 seconds")?;
        }
    }
    for (i, reward) in task.rewards.iter().enumerate() {
        let (name, before) = (reward.name(), &task.rewards[..i]);
        let is_new = before.iter().all(|other| other.name() != name);
        check("task.rewards.name", name, is_new, "another one for each reward (`--reward NAME=model:FOLDER`)")?;
    }
    let is_rewarded = task.rewards.iter().any(|reward| reward.weight != 0.0);
    check("task.rewards.weight", 0, is_rewarded, "other than 0 for one reward or more")?;
    check("task.kl.weight", task.kl.weight, finite_from_0(task.kl.weight), "0 or more")?;
    if let Some(target) = task.kl.target {
        check("task.kl.target", target, target.is_finite() && target > 0.0, "more than 0")?;
        let adapts = task.kl.form == KlForm::Reward && task.kl.weight > 0.0;
        check(
            "task.kl.target",
            target,
            adapts,
            "left out, unless `kl.form` is `reward` and `kl.weight` is more than 0",
        )?;
        check("task.kl.horizon", task.kl.horizon, task.kl.horizon.is_finite() && task.kl.horizon > 0.0, "more than 0")?;
    }
    let of_tokens = task.sample == Sample::Token;
    check("task.sample", "of completions", of_tokens || !has_critic, "`token` with a critic")?;
    let averages_tokens = of_tokens || task.averaging == AveragingName::Token;
    let averaging = format!("{:?}", task.averaging).to_lowercase();
    check("task.averaging", averaging, averages_tokens, "`token`, unless `sample` is `token`")?;
    let in_term = task.kl.form != KlForm::Reward && task.kl.weight > 0.0;
    let why = "false with a term for the KL divergence, which would not be scaled with the advantages";
    check("task.whiten_advantages", task.whiten_advantages, !(in_term && task.whiten_advantages), why)?;
    check(
        "task.normalize",
        true,
        !task.normalize || task.algorithm == Algorithm::Rloo,
        "false, unless `algorithm` is `rloo`",
    )?;
    let completed = in_term && task.kl.later_tokens && of_tokens;
    check("task.normalize", true, !(completed && task.normalize), why)?;
    let has_term = task.kl.form != KlForm::Reward;
    check("task.kl.later_tokens", false, has_term || task.kl.later_tokens, "true, unless `kl.form` is a term")?;
    let of_means = task.sample == Sample::MeanOfCompletion;
    check("task.kl.form", "a term", !(in_term && of_means), "`reward` with `sample = \"mean_of_completion\"`")?;
    if let Some(clip) = &task.value_clip {
        let [start, end] = clip.ends();
        let holds = has_critic && start > 0.0 && start.is_finite() && end >= 0.0 && end.is_finite();
        check("task.value_clip", start, holds, "more than 0, and only with a critic")?;
    }
    let by_vocabulary = task.kl.form == KlForm::Exact && task.kl.weight > 0.0;
    check("task.kl.form", "exact", of_tokens || !by_vocabulary, "another one, unless `sample` is `token`")?;
    check("task.entropy_weight", task.entropy_weight, finite_from_0(task.entropy_weight), "0 or more")?;
    let no_entropy = of_tokens || task.entropy_weight == 0.0;
    check("task.entropy_weight", task.entropy_weight, no_entropy, "0, unless `sample` is `token`")?;
    check("task.whiten_rewards", task.whiten_rewards, has_critic || !task.whiten_rewards, "false without a critic")?;
    check("task.missing_end", task.missing_end, finite_from_0(task.missing_end), "0 or more")?;
    check("task.value_weight", task.value_weight, finite_from_0(task.value_weight), "0 or more")?;
    for (key, value) in [("task.gamma", task.gamma), ("task.gae_lambda", task.gae_lambda)] {
        check(key, value, (0.0..=1.0).contains(&value), "between 0 and 1")?;
    }
    Ok(())
}
