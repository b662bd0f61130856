//! Runs on texts, from their settings.

use std::{collections::HashMap, path::Path, sync::Arc};

use burn::{module::Module, tensor::Device};
use burn_pg::{
    CheckedConfig, Config, Parts, Trainer,
    envs::EnvRng,
    loss::Objective,
    update::{Epochs, Learner},
};

use super::{
    Encoder, TaskError,
    new_model::{new_config, train_tokenizer},
    rl::text_policy,
    settings::{Dpo, Pretrain, RewardModelling, Settings, Sft, Task, Train},
};
use crate::{
    ChatTemplate, ModelConfig, Tokenizer, data,
    learning::{
        Centring, Likelihood, Preference, PreferenceLoss, StoredPairs, StoredSource, StoredTexts, TextPolicy,
        TextSource, TokenPair, Written,
    },
    model::{Family, LanguageModel, Shape, Target, Transformer, fingerprint},
    reward::{Scorer, pad_of},
};

/// The stream of random numbers that pairs are drawn from.
const PAIRS: u32 = 0x9A_17;

/// What belongs to a model besides its weights.
#[derive(Debug)]
pub struct Around {
    /// The configuration.
    pub config: ModelConfig,
    /// The tokenizer.
    pub tokenizer: Arc<Tokenizer>,
    /// The chat template, if there is one.
    pub template: Option<ChatTemplate>,
    /// The fingerprint of the model under adapters, if there are some.
    pub base: Option<String>,
}

/// Sees what was written for an update: the number of the update, the tokenizer, texts, and their scores.
pub type Reader = Box<dyn FnMut(u64, &Tokenizer, &[Written<'_>], &[f64]) + Send>;

/// A run that is ready to start, with what its final figures need.
pub enum Ready {
    /// Learns a language from texts.
    Texts {
        /// The run.
        trainer: Trainer<TextPolicy, StoredSource<StoredTexts>>,
        /// Texts for the final figures.
        held_out: StoredTexts,
        /// What belongs to the model.
        around: Around,
    },
    /// Learns a policy from pairs.
    Pairs {
        /// The run.
        trainer: Trainer<TextPolicy, StoredSource<StoredPairs>>,
        /// Pairs for the final figures.
        held_out: StoredPairs,
        /// What belongs to the model.
        around: Around,
    },
    /// Learns a reward model from pairs.
    Reward {
        /// The run.
        trainer: Trainer<Scorer, StoredSource<StoredPairs>>,
        /// Pairs for the final figures.
        held_out: StoredPairs,
        /// What belongs to the model.
        around: Around,
    },
    /// Learns from what it writes.
    Rl {
        /// The run.
        trainer: Trainer<TextPolicy, TextSource>,
        /// What belongs to the model.
        around: Around,
    },
}

impl Settings {
    /// Loads what the run needs, and checks that everything fits. `reader` sees what is written in reinforcement learning.
    ///
    /// # Errors
    /// Any [`TaskError`].
    pub fn build(&self, device: &Device, reader: Option<Reader>) -> Result<Ready, TaskError> {
        self.validate()?;
        match &self.task {
            Task::Pretrain(task) => self.pretrain(task, device),
            Task::Sft(task) => self.sft(task, device),
            Task::Reward(task) => self.reward(task, device),
            Task::Dpo(task) => self.dpo(task, device),
            Task::Rl(task) => self.rl(task, device, reader),
        }
    }

    /// Returns the settings of the loop. A run takes `updates` times at most `steps` steps.
    pub(super) fn config(&self, steps: u64) -> Result<CheckedConfig, TaskError> {
        let config = Config::default().with(|config| {
            config.run.seed = self.train.seed;
            config.run.threads = self.train.threads;
            config.run.total_steps = self.train.updates.saturating_mul(steps);
            config.run.source = Some(format!("texts ({})", self.task.kind()));
            config.checkpoint.interval = self.train.checkpoint_interval;
            config.log = self.train.log;
            config.faults = self.train.faults;
        });
        config.validate().map_err(|error| TaskError::Setting(error.to_string()))
    }

    /// Returns what learns; `is_small` if the model is.
    fn learner(&self, objective: Objective, is_small: bool) -> Learner {
        let Train { micro_batch, optimiser, max_grad_norm, .. } = &self.train;
        Learner {
            micro_batch_size: Some(*micro_batch),
            max_grad_norm: *max_grad_norm,
            // Adapters share frozen weights, and with them the graph of autodiff.
            parts_at_once: is_small && self.lora.is_none(),
            ..Learner::new(objective, optimiser.build())
        }
    }

    /// Returns one step on all samples of an update.
    pub(super) fn once(&self, objective: Objective, model: &Shape) -> Epochs {
        Epochs::once(self.learner(objective, model.is_small()), self.train.learning_rate)
    }

    /// Returns a model with adapters, if there are to be some, and notes its fingerprint.
    pub(super) fn adapted(&self, model: Transformer, around: &mut Around) -> Result<Transformer, TaskError> {
        let Some(lora) = &self.lora else { return Ok(model) };
        self.check_targets(model.shape())?;
        let found = fingerprint(&model)?;
        if self.base.as_ref().is_some_and(|base| *base != found) {
            return Err(TaskError::OtherBase(self.task.model().cloned().unwrap_or_default()));
        }
        around.base = Some(found);
        Ok(model.with_adapters(lora, self.train.seed))
    }

    /// Refuses adapters of maps that a model does not have.
    pub(super) fn check_targets(&self, shape: &Shape) -> Result<(), TaskError> {
        let has_gate = self.lora.as_ref().is_some_and(|lora| lora.targets.contains(&Target::Gate));
        if has_gate && shape.family == Family::Gpt2 {
            let reason = "`lora.targets` has `gate`, a map that GPT-2 does not have; leave it out";
            return Err(TaskError::Setting(reason.into()));
        }
        Ok(())
    }

    fn pretrain(&self, task: &Pretrain, device: &Device) -> Result<Ready, TaskError> {
        let documents = data::documents(&task.data)?;
        let (around, model) = match &task.model {
            Some(folder) => loaded(folder, device)?,
            None => {
                let tokenizer = train_tokenizer(&documents, task.new.vocabulary)?;
                let config = new_config(&task.new, &tokenizer)?;
                let model = Transformer::random(&Shape::from(&config), self.train.seed, &device.clone().autodiff());
                (Around { config, tokenizer: tokenizer.into(), template: None, base: None }, model)
            }
        };
        let (train, held_out) = held_out(documents, task.held_out, self.train.seed, task.batch)?;
        let encoder = around.encoder()?;
        let (train, held_out) = (encoder.documents(&train), encoder.documents(&held_out));
        self.texts(train, held_out, task.batch, around, model, device)
    }

    fn sft(&self, task: &Sft, device: &Device) -> Result<Ready, TaskError> {
        let (around, model) = loaded(&task.model, device)?;
        let demonstrations = around.encoder()?.demonstrations(&data::demonstrations(&task.data)?)?;
        let indices: Vec<usize> = (0..demonstrations.lengths.len()).collect();
        let (train, held_out) = held_out(indices, task.held_out, self.train.seed, task.batch)?;
        let of = |indices: &[usize]| {
            let batch = demonstrations.select(indices);
            StoredTexts { texts: batch.texts, lengths: batch.lengths }
        };
        self.texts(of(&train), of(&held_out), task.batch, around, model, device)
    }

    fn texts(
        &self,
        train: StoredTexts,
        held_out: StoredTexts,
        batch: usize,
        mut around: Around,
        model: Transformer,
        device: &Device,
    ) -> Result<Ready, TaskError> {
        let shape = *model.shape();
        let parts = Parts {
            policy: TextPolicy::new(self.adapted(model, &mut around)?),
            source: StoredSource::new(train, batch, self.train.seed),
            update: Box::new(self.once(Objective::new().with(1.0, Likelihood), &shape)),
        };
        let trainer = Trainer::new(parts, &self.config(batch as u64)?, device)?;
        Ok(Ready::Texts { trainer, held_out, around })
    }

    fn reward(&self, task: &RewardModelling, device: &Device) -> Result<Ready, TaskError> {
        let (mut around, model) = loaded(&task.model, device)?;
        around.config = around.config.clone().with_pad(around.pad());
        let (seed, encoder) = (self.train.seed, around.encoder()?.for_scores());
        let (train, held_out) = match task.pairs {
            None => {
                let pairs = encoder.pairs(&data::pairs(&task.data)?)?;
                pairs_held_out(pairs, task.held_out, seed, task.batch)?
            }
            // Texts are held out, not pairs: a text is never in both parts.
            Some(count) => {
                let ratings = data::ratings(&task.data)?;
                // Refuses long texts by their number in the file; pairs are numbered in the order in which they are drawn.
                encoder.rated_lengths(&ratings)?;
                let (train, held_out) = held_out(ratings, task.held_out, seed, 2)?;
                let mut rng = EnvRng::stream(seed, &[PAIRS]);
                let train = data::pairs_of_ratings(&train, count, &mut rng)?;
                let left = if held_out.len() > 1 { count.min(10 * held_out.len()) } else { 0 };
                let held_out = if left > 0 { data::pairs_of_ratings(&held_out, left, &mut rng)? } else { Vec::new() };
                (encoder.pairs(&train)?, encoder.pairs(&held_out)?)
            }
        };
        let [train, held_out] = [train, held_out].map(stored);
        let preference = Preference { loss: PreferenceLoss::Sigmoid, beta: 1.0, of_scores: true };
        let shape = *model.shape();
        let body = self.adapted(model.without_head(), &mut around)?;
        let parts = Parts {
            policy: Scorer::new(body).with_pad(around.config.pad()),
            source: StoredSource::new(train, task.batch, seed),
            update: Box::new(self.once(Objective::new().with(1.0, preference).with(task.centring, Centring), &shape)),
        };
        let trainer = Trainer::new(parts, &self.config(task.batch as u64)?, device)?;
        Ok(Ready::Reward { trainer, held_out, around })
    }

    fn dpo(&self, task: &Dpo, device: &Device) -> Result<Ready, TaskError> {
        let (mut around, model) = loaded(&task.model, device)?;
        let pairs = data::pairs(&task.data)?;
        if task.loss != PreferenceLoss::Sigmoid
            && let Some(number) = pairs.iter().position(|pair| pair.tie)
        {
            let number = number + 1;
            return Err(TaskError::Setting(format!(
                "pair {number} is a tie, from which only the loss `sigmoid` learns"
            )));
        }
        let pairs = around.encoder()?.pairs(&pairs)?;
        let (train, held_out) = pairs_held_out(pairs, task.held_out, self.train.seed, task.batch)?;
        let shape = *model.shape();
        let policy = self.adapted(model, &mut around)?;
        let reference = Arc::new(reference_of(&policy));
        let [train, held_out] = [train, held_out].map(|pairs| StoredPairs {
            reference: Some(Arc::clone(&reference)),
            per_token: task.is_per_token(),
            pairs,
        });
        let preference = Preference { loss: task.loss, beta: task.beta, of_scores: false };
        let parts = Parts {
            policy: TextPolicy::new(policy),
            source: StoredSource::new(train, task.batch, self.train.seed),
            update: Box::new(self.once(Objective::new().with(1.0, preference), &shape)),
        };
        let trainer = Trainer::new(parts, &self.config(task.batch as u64)?, device)?;
        Ok(Ready::Pairs { trainer, held_out, around })
    }
}

/// A policy, as it is before training.
pub enum Policy {
    /// One that writes.
    Text(TextPolicy),
    /// One that scores.
    Scorer(Scorer),
}

impl Settings {
    /// Returns the policy before training, without the data that it is trained on.
    ///
    /// # Errors
    /// [`TaskError::Model`] if the model cannot be loaded; [`TaskError::Setting`] for pretraining without one.
    pub fn policy(&self, device: &Device) -> Result<(Policy, Around), TaskError> {
        let missing = || TaskError::Setting("a new model has no weights before it is trained".into());
        let (mut around, model) = loaded(self.task.model().ok_or_else(missing)?, device)?;
        let policy = match &self.task {
            Task::Reward(_) => {
                around.config = around.config.clone().with_pad(around.pad());
                let body = self.adapted(model.without_head(), &mut around)?;
                Policy::Scorer(Scorer::new(body).with_pad(around.config.pad()))
            }
            Task::Rl(task) => Policy::Text(text_policy(task, self.adapted(model, &mut around)?)),
            _ => Policy::Text(TextPolicy::new(self.adapted(model, &mut around)?)),
        };
        Ok((policy, around))
    }
}

impl Around {
    /// Returns the token that reward models skip at the end of a text.
    pub(super) fn pad(&self) -> Option<u32> {
        pad_of(&self.config, &self.tokenizer)
    }

    pub(super) fn encoder(&self) -> Result<Encoder<'_>, TaskError> {
        Encoder::new(&self.config, &self.tokenizer, self.template.as_ref())
    }
}

/// Loads a model onto a device with autodiff.
pub(super) fn loaded(folder: &Path, device: &Device) -> Result<(Around, Transformer), TaskError> {
    let model = LanguageModel::load(folder, &device.clone().autodiff());
    let LanguageModel { config, transformer, tokenizer, template } =
        model.map_err(|error| TaskError::Model { folder: folder.into(), error })?;
    Ok((Around { config, tokenizer: tokenizer.into(), template, base: None }, transformer))
}

/// Returns the model as it is before training, without adapters. Its weights are shared as long as they do not change.
pub(super) fn reference_of(policy: &Transformer) -> Transformer {
    policy.clone().without_adapters().with_frozen(true).valid()
}

fn stored(pairs: Vec<TokenPair>) -> StoredPairs {
    StoredPairs { pairs, ..StoredPairs::default() }
}

/// Splits pairs into those to learn from, at least `least`, and those for the final figures. All pairs of a prompt are in the same part, if there
/// are several prompts.
fn pairs_held_out(
    pairs: Vec<TokenPair>,
    share: f64,
    seed: u64,
    least: usize,
) -> Result<(Vec<TokenPair>, Vec<TokenPair>), TaskError> {
    if pairs.windows(2).all(|two| two[0].prompt == two[1].prompt) {
        return held_out(pairs, share, seed, least);
    }
    let all = pairs.len();
    let mut groups: Vec<Vec<TokenPair>> = Vec::new();
    let mut group_of: HashMap<Vec<u32>, usize> = HashMap::new();
    for pair in pairs {
        let group = *group_of.entry(pair.prompt.clone()).or_insert(groups.len());
        match groups.get_mut(group) {
            Some(group) => group.push(pair),
            None => groups.push(vec![pair]),
        }
    }
    let (groups, _) = data::split(groups, 0.0, seed);
    let most = share * all as f64;
    let (mut train, mut held_out) = (Vec::new(), Vec::new());
    for group in groups {
        // If `share` is more than 0, one group of at most half of the pairs is held out in any case, and more only up to that share.
        let first = held_out.is_empty() && share > 0.0 && 2 * group.len() <= all;
        let part = if first || (held_out.len() + group.len()) as f64 <= most { &mut held_out } else { &mut train };
        part.extend(group);
    }
    match train.len() >= least {
        true => Ok((train, held_out)),
        false => Err(TaskError::TooFew { all, held_out: held_out.len(), left: train.len(), least }),
    }
}

/// Splits examples into those to learn from, at least `least`, and those for the final figures.
fn held_out<T>(examples: Vec<T>, share: f64, seed: u64, least: usize) -> Result<(Vec<T>, Vec<T>), TaskError> {
    let all = examples.len();
    let (train, held_out) = data::split(examples, share, seed);
    match train.len() >= least {
        true => Ok((train, held_out)),
        false => Err(TaskError::TooFew { all, held_out: held_out.len(), left: train.len(), least }),
    }
}
