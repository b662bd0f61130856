//! Runs of reinforcement learning on texts.

use std::{path::PathBuf, sync::Arc, time::Duration};

use burn::tensor::Device;
use burn_pg::{
    Parts, Trainer,
    advantage::{Gae, GrpoScale},
    envs::EnvRng,
    loss::{CorrectedKl, Entropy, ExactKl, KlEstimator, KlToReference, Objective, PpoClip, Value},
    update::Epochs,
};

use super::{
    Reader, Ready, Settings, TaskError,
    build::{loaded, reference_of},
    settings::{Algorithm, KlForm, RewardKind, RewardSpec, Rl, ScaleName},
};
use crate::{
    Tokenizer, data,
    generate::Limit,
    learning::{Credit, Decoded, KlWeight, Reward, Scored, TextPolicy, TextSource, TextSourceSpec, WeightedRewards},
    model::Transformer,
    reward::{Contains, Lexicon, RewardModel, Script, Words},
};

impl Settings {
    pub(super) fn rl(&self, task: &Rl, device: &Device, reader: Option<Reader>) -> Result<Ready, TaskError> {
        let (around, model) = loaded(&task.model, device)?;
        let encoder = around.encoder()?;
        let prompts = encoder.prompts(&data::prompts(&task.data)?, task.tokens)?;
        let policy = self.adapted(model);
        let reference = (task.kl.weight > 0.0).then(|| reference_of(&policy));
        let rewards = rewards(&task.rewards, &around.tokenizer, self.train.micro_batch, device)?;
        let mut source = TextSource::new(self.spec(task, encoder.end()), prompts, rewards, reference);
        if let Some(mut reader) = reader {
            let tokenizer = Arc::clone(&around.tokenizer);
            source = source.with_reader(move |update, texts, scores| reader(update, &tokenizer, texts, scores));
        }
        let policy = text_policy(task, policy);
        let update = Epochs {
            num_epochs: task.epochs,
            num_minibatches: task.minibatches,
            shuffle: EnvRng::stream(self.train.seed, &[2]),
            ..self.once(objective(task)?)
        };
        let steps = (task.prompts * task.group_size) as u64;
        let trainer = Trainer::new(Parts { policy, source, update: Box::new(update) }, &self.config(steps)?, device)?;
        Ok(Ready::Rl { trainer, around })
    }

    fn spec(&self, task: &Rl, end: u32) -> TextSourceSpec {
        let credit = match task.algorithm {
            Algorithm::Rloo => Credit::Rloo { normalize: false },
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
            kl_place: task.kl.form.place(),
            missing_end: task.missing_end,
            whiten_rewards: task.whiten_rewards,
            whiten_advantages: task.whiten_advantages,
            sample: task.sample,
            averaging: task.averaging.of(task.tokens),
            rows_at_once: self.train.micro_batch,
            seed: self.train.seed,
            ..TextSourceSpec::new(task.prompts, task.group_size, Limit { tokens: task.tokens, end: Some(end) }, credit)
        }
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
        objective = objective.try_with(task.value_weight, Value::default()).map_err(wrong)?;
    }
    if task.entropy_weight > 0.0 {
        objective = objective.try_with(task.entropy_weight, Entropy).map_err(wrong)?;
    }
    Ok(objective)
}

/// Returns the sum of rewards.
fn rewards(
    specs: &[RewardSpec],
    tokenizer: &Arc<Tokenizer>,
    rows: usize,
    device: &Device,
) -> Result<WeightedRewards, TaskError> {
    let mut sum = WeightedRewards::new();
    for RewardSpec { weight, name, kind } in specs {
        let name = name.as_deref().unwrap_or(kind.name());
        sum = sum.with(name, *weight, reward(kind, tokenizer, rows, device)?);
    }
    Ok(sum)
}

fn reward(
    kind: &RewardKind,
    tokenizer: &Arc<Tokenizer>,
    rows: usize,
    device: &Device,
) -> Result<Box<dyn Reward>, TaskError> {
    let tokens = || Arc::clone(tokenizer);
    Ok(match kind {
        RewardKind::Model { folder } => {
            let model = RewardModel::load(folder, device);
            let model = model.map_err(|error| TaskError::Model { folder: folder.clone(), error })?;
            if !model.tokenizer.is_same(tokenizer) {
                return Err(TaskError::OtherTokenizer(PathBuf::from(folder)));
            }
            Box::new(Scored::new(model.scorer, rows))
        }
        RewardKind::Words { target } => Box::new(Decoded::new(tokens(), Words::new(*target)?)),
        RewardKind::Contains { words } => Box::new(Decoded::new(tokens(), Contains::new(words)?)),
        RewardKind::Lexicon { file } => Box::new(Decoded::new(tokens(), Lexicon::load(file)?)),
        RewardKind::Script { command, timeout } => {
            let (program, arguments) =
                command.split_first().ok_or_else(|| TaskError::Setting("`command` of a reward is empty".into()))?;
            let script = Script::start(program, arguments)
                .map_err(|error| TaskError::Setting(error.to_string()))?
                .with_time_limit(Duration::from_secs_f64(*timeout));
            Box::new(Decoded::new(tokens(), script))
        }
    })
}
