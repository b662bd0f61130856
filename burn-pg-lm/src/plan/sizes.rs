//! The sizes of a run, from its settings. The assumptions of the plan about the loop are in this file.

use burn_pg::{optim::OptimiserSpec, plan::Bytes};

use super::{
    Lengths, RewardShape, Shapes,
    counts::{Counts, room},
};
use crate::{
    model::{Lora, Shape},
    task::settings::{Algorithm, Dpo, KlForm, Pretrain, RewardModelling, Rl, Settings, Sft, Task},
};

/// Texts or pairs that are read at once for the final figures.
const ROWS_OF_FIGURES: u64 = 16;

/// Positions whose keys are stored together.
const POSITIONS: u64 = 16;

/// What is written for an update.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    pub completions: u64,
    /// Tokens of the prompts, each once.
    pub read: u64,
    /// Tokens of the prompts, as often as they are completed.
    pub copied: u64,
    /// Tokens that the caches of all completions have room for at the end.
    pub room: u64,
}

/// Texts that a model reads at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read {
    /// Tokens of all texts.
    pub tokens: u64,
    /// Tokens whose log-probabilities are needed.
    pub targets: u64,
    /// Hidden states that are asked for after the last block.
    pub asked: u64,
    /// Tokens of the longest text.
    pub longest: u64,
    /// Parts that are read at once, each on a thread.
    pub at_once: u64,
}

/// The sizes of a run.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // independent facts
pub(super) struct Sizes {
    pub data: Bytes,
    pub model: Counts,
    pub lora: Option<Lora>,
    /// Weights of the model, without adapters and value head.
    pub weights: u64,
    /// Weights of the model in its folder.
    pub in_folder: u64,
    pub adapters: u64,
    pub value_head: u64,
    /// Trained weights, P.
    pub trained: u64,
    /// True if the policy is a reward model, which has no head for tokens.
    pub is_scorer: bool,
    pub has_reference: bool,
    /// Weights of the reference, if it does not share those of the policy.
    pub reference: u64,
    /// True if the policy and its reference are compared over the vocabulary when completions are scored.
    pub measures_kl: bool,
    /// True if the reference is read while the policy is differentiated.
    pub reads_reference: bool,
    /// The largest reward model.
    pub reward: Option<Counts>,
    /// Weights of all reward models.
    pub of_rewards: u64,
    /// Weights of the largest reward model that is loaded.
    pub of_reward: u64,
    /// Vectors of the length P in the state of the optimiser.
    pub vectors: u64,
    /// Vectors of the length P that a step computes besides the new weights and the new state.
    pub temporary: u64,
    /// True if an update has more than one step, so that what was before the update is kept besides what was before a step.
    pub has_steps: bool,
    /// True if a step has more than one micro-batch.
    pub has_parts: bool,
    pub written: Option<Written>,
    /// What the policy and its reference read at once, of what was written.
    pub scored: Read,
    /// What a reward model reads at once.
    pub rewarded: Read,
    /// What is differentiated at once.
    pub micro_batch: Read,
    /// What is read at once for the final figures, if something is held out.
    pub figures: Option<Read>,
    /// Copies of the logits of all targets that are kept for the backward pass, and temporary ones.
    pub logits: [u64; 2],
    pub is_loaded: bool,
}

impl Sizes {
    pub fn of(settings: &Settings, shapes: &Shapes) -> Self {
        let policy = shapes.policy;
        let Settings { task, train, lora, .. } = settings;
        let is_scorer = matches!(task, Task::Reward(_));
        let shape = if is_scorer { Shape { tied: true, ..policy } } else { policy };
        let (model, in_folder, weights) = (Counts::of(&shape), policy.parameters(), shape.parameters());
        let adapters = lora.as_ref().map_or(0, |lora| model.adapters(lora));
        let has_critic = matches!(task, Task::Rl(Rl { algorithm: Algorithm::Ppo, .. }));
        let value_head = if has_critic || is_scorer { model.width } else { 0 };
        let trained = value_head + if lora.is_some() { adapters } else { weights };
        let has_reference = match task {
            Task::Dpo(_) => true,
            Task::Rl(task) => task.kl.needs_reference(),
            _ => false,
        };
        let rewards = Rewards::of(shapes, &model, has_reference || lora.is_some());
        let batch = Batch::of(task);
        let micro_batch = (train.micro_batch as u64).min(batch.rows);
        let threads = if train.threads == 0 { rayon::current_num_threads() } else { train.threads } as u64;
        // Parts of `rows` of `all` rows that a model computes at once.
        let parts = |shape: &Shape, rows: u64, all: u64| {
            if shape.is_small() { threads.min(all.div_ceil(rows.max(1))).max(1) } else { 1 }
        };
        let at_once = if lora.is_none() { parts(&policy, micro_batch, batch.rows) } else { 1 };
        let completions = |written: &Option<Written>| written.map_or(0, |written| written.completions);
        let of_written = |shape: &Shape, written: &Option<Written>| {
            let (rows, all) = (train.micro_batch as u64, completions(written));
            let at_once = parts(shape, rows, all);
            (rows.saturating_mul(at_once).min(all), at_once)
        };
        let texts_of_row = if matches!(task, Task::Reward(_) | Task::Dpo(_)) { 2 } else { 1 };
        let written = Written::of(task, &shapes.prompts, model.context);
        let read = |rows: u64, at_once: u64| {
            let texts = rows.saturating_mul(texts_of_row);
            let [longest, tokens, targets] = of_texts(task, shapes, texts, texts_of_row, model.context);
            // Of a text that is scored, the last one.
            let (targets, asked) = if is_scorer { (0, texts) } else { (targets, targets) };
            Read { tokens, targets, asked, longest, at_once }
        };
        let with = |(rows, at_once)| read(rows, at_once);
        Self {
            data: shapes.data,
            weights,
            in_folder,
            adapters,
            value_head,
            trained,
            is_scorer,
            has_reference,
            reference: if has_reference && lora.is_none() { weights } else { 0 },
            measures_kl: matches!(task, Task::Rl(task) if task.kl.measure),
            reads_reference: matches!(task, Task::Dpo(_)) || has_exact_kl(task),
            reward: rewards.largest.as_ref().map(Counts::of),
            of_rewards: rewards.weights,
            of_reward: rewards.loaded,
            vectors: train.optimiser.vectors() as u64,
            temporary: temporary(&train.optimiser),
            has_steps: batch.steps > 1,
            has_parts: micro_batch < batch.rows,
            scored: with(of_written(&policy, &written)),
            rewarded: with(of_written(&rewards.largest.unwrap_or(policy), &written)),
            written,
            micro_batch: read((micro_batch * at_once).min(batch.rows), at_once),
            figures: (batch.held_out > 0.0).then(|| {
                // Only scores are read in parts at once.
                let at_once = if is_scorer { parts(&policy, 1, threads) } else { 1 };
                read(ROWS_OF_FIGURES * at_once, at_once)
            }),
            logits: logits(task),
            is_loaded: task.model().is_some(),
            lora: lora.clone(),
            model,
        }
    }
}

/// The reward models.
struct Rewards {
    largest: Option<Shape>,
    /// Their weights. Also those of the policy's base, if nothing else keeps it.
    weights: u64,
    /// Weights of the largest that is loaded from a folder of its own.
    loaded: u64,
}

impl Rewards {
    /// `is_base_kept` if the base of the policy is kept anyway.
    fn of(shapes: &Shapes, policy: &Counts, is_base_kept: bool) -> Self {
        let base = Shape { tied: true, ..shapes.policy };
        let mut all = Self { largest: None, weights: 0, loaded: 0 };
        let mut needs_base = false;
        for reward in &shapes.rewards {
            let (shape, weights) = match reward {
                RewardShape::Own(shape) => {
                    let shape = Shape { tied: true, ..*shape };
                    let weights = shape.parameters() + shape.width as u64;
                    all.loaded = all.loaded.max(weights);
                    (shape, weights)
                }
                RewardShape::Adapters(lora) => {
                    needs_base = true;
                    (base, policy.adapters(lora) + policy.width)
                }
            };
            all.weights += weights;
            all.largest = all.largest.filter(|largest| largest.parameters() >= shape.parameters()).or(Some(shape));
        }
        all.weights += if needs_base && !is_base_kept { base.parameters() } else { 0 };
        all
    }
}

impl Written {
    fn of(task: &Task, prompts: &Lengths, context: u64) -> Option<Self> {
        let Task::Rl(task) = task else { return None };
        let (different, group, tokens) = (task.prompts as u64, task.group_size as u64, task.tokens as u64);
        let completions = different.saturating_mul(group);
        let of_completions =
            |of: &dyn Fn(u64) -> u64| prompts.largest_sum(completions, group, |prompt| of(prompt.min(context)));
        // The last token is not read.
        let last = |prompt: u64| prompt.saturating_add(tokens).min(context).saturating_sub(1);
        // Keys, for a multiple of positions, and values.
        let keys = |prompt: u64| room(prompt.next_multiple_of(POSITIONS), last(prompt));
        let values = |prompt: u64| room(prompt, last(prompt));
        Some(Self {
            completions,
            read: prompts.largest_sum(different, 1, |prompt| prompt.min(context)),
            copied: of_completions(&|prompt| prompt),
            room: of_completions(&|prompt| keys(prompt).saturating_add(values(prompt))) / 2,
        })
    }
}

/// Returns the number of tokens of the longest text of the data, those of `texts` texts together, and how many of these need log-probabilities.
fn of_texts(task: &Task, shapes: &Shapes, texts: u64, texts_of_row: u64, context: u64) -> [u64; 3] {
    let Task::Rl(task) = task else {
        // The texts of a pair are about as long as each other.
        let sum = |lengths: &Lengths| lengths.largest_sum(texts, texts_of_row, |length| length.min(context));
        let longest = (shapes.texts.longest() as u64).min(context);
        return [longest, sum(&shapes.texts), sum(&shapes.completions)];
    };
    let whole = |prompt: u64| prompt.saturating_add(task.tokens as u64).min(context);
    let tokens = shapes.prompts.largest_sum(texts, task.group_size as u64, whole);
    let longest = whole(shapes.prompts.longest() as u64);
    [longest, tokens, texts.saturating_mul(longest.min(task.tokens as u64))]
}

/// What is learned from in an update.
struct Batch {
    /// Rows of a step.
    rows: u64,
    steps: u64,
    held_out: f64,
}

impl Batch {
    fn of(task: &Task) -> Self {
        let once = |batch: usize, held_out: f64| Self { rows: batch as u64, steps: 1, held_out };
        match *task {
            Task::Pretrain(Pretrain { batch, held_out, .. })
            | Task::Sft(Sft { batch, held_out, .. })
            | Task::Reward(RewardModelling { batch, held_out, .. })
            | Task::Dpo(Dpo { batch, held_out, .. }) => once(batch, held_out),
            Task::Rl(Rl { prompts, group_size, epochs, minibatches, .. }) => Self {
                rows: (prompts as u64).saturating_mul(group_size as u64).div_ceil(minibatches.max(1) as u64),
                steps: (epochs as u64).saturating_mul(minibatches as u64),
                held_out: 0.0,
            },
        }
    }
}

/// Vectors of the length P that a step computes besides the new weights and the new state: AdamW the decayed weights; without a kernel,
/// two.
fn temporary(optimiser: &OptimiserSpec) -> u64 {
    match optimiser {
        OptimiserSpec::Adam(_) => 0,
        OptimiserSpec::AdamW(_) => 1,
        _ => 2,
    }
}

fn has_exact_kl(task: &Task) -> bool {
    matches!(task, Task::Rl(Rl { kl, .. }) if kl.weight > 0.0 && kl.form == KlForm::Exact)
}

/// Copies of all logits that entropies (shifted logits, log-probabilities, probabilities) and exact KL divergences (these, and the
/// differences from the reference) keep for the backward pass, and temporary ones.
fn logits(task: &Task) -> [u64; 2] {
    let Task::Rl(rl) = task else { return [0, 0] };
    let kept = if rl.entropy_weight > 0.0 { 3 } else { 0 } + if has_exact_kl(task) { 4 } else { 0 };
    [kept, if kept > 0 { 2 } else { 0 }]
}
