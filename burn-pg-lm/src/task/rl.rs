//! Runs of reinforcement learning on texts.

use std::{path::Path, sync::Arc, time::Duration};

use super::{
    Around, Reader, Ready, Settings, TaskError,
    build::{loaded, reference_of},
    settings::{Algorithm, KlForm, RewardKind, Rl, ScaleName, Task},
};
use crate::{
    Texts,
    data::{self, Prompt, Query},
    generate::{Choice, Limit, Writer, complete},
    learning::{
        Credit, Decoded, KlWeight, Line, Reward, Scored, TextPolicy, TextSource, TextSourceSpec, WeightedRewards,
        Written,
    },
    model::{Transformer, peft::has_adapters_alone},
    reward::{Contains, Lexicon, RewardModel, Scorer, Script, Words},
};
use burn::tensor::Device;
use burn_pg::{
    Parts, Trainer,
    advantage::{Gae, GrpoScale},
    envs::EnvRng,
    loss::{CorrectedKl, Entropy, ExactKl, KlEstimator, KlToReference, Objective, PpoClip, Value, ValueClip},
    update::Epochs,
};
use serde_json::json;

impl Settings {
    pub(super) fn rl(&self, task: &Rl, device: &Device, reader: Option<Reader>) -> Result<Ready, TaskError> {
        let (mut around, model) = loaded(&task.model, device)?;
        let queries = data::prompts(&task.data)?;
        let shape = *model.shape();
        let policy = self.adapted(model, &mut around)?;
        let encoder = around.encoder()?;
        let prompts = encoder.prompts(&queries, task.tokens)?;
        let reference = task.kl.needs_reference().then(|| reference_of(&policy));
        let rewards = self.rewards(task, queries, &around, &policy, prompts.longest(), device)?;
        let mut source = TextSource::new(self.spec(task, encoder.ends()), prompts, rewards, reference);
        if let Some(mut reader) = reader {
            let tokenizer = Arc::clone(&around.tokenizer);
            source = source.with_reader(move |update, texts, scores| reader(update, &tokenizer, texts, scores));
        }
        let policy = text_policy(task, policy);
        let update = Epochs {
            num_epochs: task.epochs,
            num_minibatches: task.minibatches,
            shuffle: EnvRng::stream(self.train.seed, &[2]),
            ..self.once(objective(task)?, &shape)
        };
        let steps = (task.prompts * task.group_size) as u64;
        let trainer = Trainer::new(Parts { policy, source, update: Box::new(update) }, &self.config(steps)?, device)?;
        Ok(Ready::Rl { trainer, around })
    }

    fn spec(&self, task: &Rl, ends: Vec<u32>) -> TextSourceSpec {
        let credit = match task.algorithm {
            Algorithm::Rloo => Credit::Rloo { normalize: task.normalize },
            Algorithm::Grpo => Credit::Grpo(match task.scale {
                ScaleName::Group => GrpoScale::Group,
                ScaleName::Batch => GrpoScale::Batch,
                ScaleName::None => GrpoScale::Unscaled,
            }),
            Algorithm::Reinforce => Credit::Mean,
            Algorithm::Ppo => Credit::Gae(Gae { gamma: task.gamma, lambda: task.gae_lambda }),
        };
        let kl_weight = match task.kl.target {
            Some(target) => KlWeight::Adaptive { start: task.kl.weight, target, horizon: task.kl.horizon },
            None => KlWeight::Fixed(task.kl.weight),
        };
        TextSourceSpec {
            kl_weight,
            kl_place: task.kl.place(),
            measure_kl: task.kl.measure,
            missing_end: task.missing_end,
            whiten_rewards: task.whiten_rewards,
            whiten_advantages: task.whiten_advantages,
            sample: task.sample,
            averaging: task.averaging.of(task.tokens),
            rows_at_once: self.train.micro_batch,
            seed: self.train.seed,
            ..TextSourceSpec::new(task.prompts, task.group_size, Limit { tokens: task.tokens, ends }, credit)
        }
    }
}

/// What was written by a model before training, for a prompt: the scores that would be optimised, and those of each reward.
#[derive(Debug, Clone, PartialEq)]
pub struct Untrained {
    /// The score of each completion: the weighted sum of the rewards, less the penalty for a missing end.
    pub scores: Vec<f64>,
    /// The scores of each reward in the order of the settings, without their weights.
    pub rewards: Vec<Vec<f64>>,
}

/// The stream of random numbers of what is written before training.
const UNTRAINED: u32 = 3;

impl Settings {
    /// Lets the model complete the first prompts as it is before training, each `completions` times, and scores what it writes.
    ///
    /// # Errors
    /// Any [`TaskError`]; [`TaskError::Setting`] if this is not reinforcement learning.
    pub fn untrained(&self, prompts: usize, completions: usize, device: &Device) -> Result<Vec<Untrained>, TaskError> {
        self.validate()?;
        let Task::Rl(task) = &self.task else {
            return Err(TaskError::Setting("only in reinforcement learning is something written".into()));
        };
        let (around, model) = loaded(&task.model, device)?;
        let encoder = around.encoder()?;
        let queries = data::prompts(&task.data)?;
        let read = encoder.prompts(&queries, task.tokens)?;
        let mut rewards = self.rewards(task, queries, &around, &model, read.longest(), device)?;
        let writer = Writer::<f32>::new(&model).map_err(|error| burn_pg::Error::Execution(error.to_string()))?;
        let limit = Limit { tokens: task.tokens, ends: encoder.ends() };
        let mut all = Vec::new();
        for (index, prompt) in read.iter().take(prompts).enumerate() {
            let same: Texts = std::iter::repeat_n(prompt, completions).collect();
            let stream = |i: usize| {
                #[allow(clippy::cast_possible_truncation)] // both are few
                let mut rng = EnvRng::stream(self.train.seed, &[UNTRAINED, index as u32, i as u32]);
                move || rng.next_f64()
            };
            let mut streams: Vec<_> = (0..completions).map(stream).collect();
            let completions = complete(&writer, &same, &Choice::default(), &limit, &mut streams);
            let written: Vec<Written<'_>> = completions
                .iter()
                .map(|completion| Written { index, prompt, completion: &completion.tokens, ended: completion.ended })
                .collect();
            let (mut scores, of_rewards) = rewards.score_each(&written)?;
            let cut = written.iter().zip(&mut scores).filter(|(text, _)| !text.ended);
            cut.for_each(|(_, score)| *score -= task.missing_end);
            all.push(Untrained { scores, rewards: of_rewards });
        }
        Ok(all)
    }
}

/// Returns the policy of reinforcement learning, with a critic if there is one.
pub(super) fn text_policy(task: &Rl, model: Transformer) -> TextPolicy {
    let policy = TextPolicy::new(model);
    if task.algorithm == Algorithm::Ppo { policy.with_value_head() } else { policy }
}

/// Returns the objective of reinforcement learning.
fn objective(task: &Rl) -> Result<Objective, TaskError> {
    let clip = PpoClip { upper: task.clip_upper, dual: task.dual_clip, ..PpoClip::new(task.clip_range) };
    let wrong = |error: burn_pg::loss::ObjectiveError| TaskError::Setting(error.to_string());
    let mut objective = Objective::new().try_with(1.0, clip).map_err(wrong)?;
    let weight = task.kl.weight;
    if weight > 0.0 {
        objective = match task.kl.form {
            KlForm::Reward => objective,
            KlForm::K2 => objective.try_with(weight, KlToReference { estimator: KlEstimator::K2 }).map_err(wrong)?,
            KlForm::K3 => objective.try_with(weight, CorrectedKl).map_err(wrong)?,
            KlForm::Exact => objective.try_with(weight, ExactKl).map_err(wrong)?,
        };
    }
    if task.algorithm == Algorithm::Ppo {
        let clip = task.value_clip.map_or(ValueClip::Off, |range| ValueClip::Pessimistic { range });
        objective = objective.try_with(task.value_weight, Value { clip }).map_err(wrong)?;
    }
    if task.entropy_weight > 0.0 {
        objective = objective.try_with(task.entropy_weight, Entropy).map_err(wrong)?;
    }
    Ok(objective)
}

/// What the rewards of a run need.
struct Needs<'a> {
    /// What belongs to the policy.
    around: &'a Around,
    /// The policy as it is before training; its adapters do not matter.
    policy: &'a Transformer,
    queries: Vec<Query>,
    /// Texts that a reward model reads at once.
    rows: usize,
    /// Most tokens of a prompt with its completion.
    longest: usize,
    device: &'a Device,
}

impl Settings {
    /// Returns the sum of the rewards of a run, whose longest prompt has `longest` tokens.
    fn rewards(
        &self,
        task: &Rl,
        queries: Vec<Query>,
        around: &Around,
        policy: &Transformer,
        longest: usize,
        device: &Device,
    ) -> Result<WeightedRewards, TaskError> {
        let needs =
            Needs { around, policy, queries, rows: self.train.micro_batch, longest: longest + task.tokens, device };
        let mut sum = WeightedRewards::new();
        for spec in &task.rewards {
            sum = sum.with(spec.name(), spec.weight, needs.reward(&spec.kind)?);
        }
        Ok(sum)
    }
}

impl Needs<'_> {
    fn reward(&self, kind: &RewardKind) -> Result<Box<dyn Reward>, TaskError> {
        let tokenizer = || Arc::clone(&self.around.tokenizer);
        Ok(match kind {
            RewardKind::Model { folder } => self.model(folder)?,
            RewardKind::Words { target } => Box::new(Decoded::new(tokenizer(), Words::new(*target)?)),
            RewardKind::Contains { words } => Box::new(Decoded::new(tokenizer(), Contains::new(words)?)),
            RewardKind::Lexicon { file } => Box::new(Decoded::new(tokenizer(), Lexicon::load(file)?)),
            RewardKind::Script { command, timeout } => {
                let (program, arguments) =
                    command.split_first().ok_or_else(|| TaskError::Setting("`command` of a reward is empty".into()))?;
                let script = Script::start(program, arguments)
                    .map_err(|error| TaskError::Setting(error.to_string()))?
                    .with_time_limit(Duration::from_secs_f64(*timeout));
                Box::new(Decoded::new(tokenizer(), script).with_lines(self.lines()))
            }
        })
    }

    fn model(&self, folder: &Path) -> Result<Box<dyn Reward>, TaskError> {
        let failed = |error| TaskError::Model { folder: folder.into(), error };
        let (scorer, context) = if has_adapters_alone(folder) {
            let base = reference_of(self.policy).without_head();
            let scorer = Scorer::load_adapters(base, self.around.pad(), folder).map_err(failed)?;
            (scorer, self.around.config.max_positions())
        } else {
            let model = RewardModel::load(folder, self.device).map_err(failed)?;
            if !model.tokenizer.is_same(&self.around.tokenizer) {
                return Err(TaskError::OtherTokenizer(folder.into()));
            }
            (model.scorer, model.config.max_positions())
        };
        let tail = self.around.encoder()?.tail();
        let of_query = |query: &Query| match query.prompt {
            Prompt::Text(_) => Vec::new(),
            Prompt::Chat(_) => tail.clone(),
        };
        let tails: Vec<_> = self.queries.iter().map(of_query).collect();
        let longest = self.longest + tails.iter().map(Vec::len).max().unwrap_or_default();
        if longest > context {
            return Err(TaskError::RewardContext { folder: folder.into(), context, longest });
        }
        Ok(Box::new(Scored::new(scorer, self.rows).with_tails(tails)))
    }

    /// Returns what the file says of each prompt. Turns of conversations are in the column `messages`.
    fn lines(&self) -> Vec<Line> {
        let line = |query: &Query| {
            let (mut columns, prompt) = (query.columns.clone(), query.prompt.clone());
            match prompt {
                Prompt::Text(text) => Line { prompt: Some(text), columns },
                Prompt::Chat(turns) => {
                    columns.insert("messages".into(), json!(turns));
                    Line { prompt: None, columns }
                }
            }
        };
        self.queries.iter().map(line).collect()
    }
}
