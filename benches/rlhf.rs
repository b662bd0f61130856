//! Reinforcement learning of a small language model: how many tokens of completions a second, and how soon a reward is reached.
//!
//! `cargo run --release -p burn-pg-benches --bin rlhf -- grpo|rloo|ppo [--threads N] [--updates N] [--seed N] [--kl 0.05] [--rows 16]`
//!
//! The task: a GPT-2 with random weights (2 blocks, width 128, 4 heads, vocabulary 512, 64 positions, tied head), prompts of 16 random
//! tokens, completions of exactly 32 tokens, 256 completions for each update (groups of 8 for grpo and rloo, 256 prompts for ppo), reward =
//! share of the tokens of a completion below 256, AdamW at 1e-3, gradients clipped at a norm of 1. grpo averages over tokens and has the
//! KL divergence in a term; rloo and ppo have it in the reward; ppo makes four passes. Prints one JSON object. Its `share_of_limit` is that
//! of the gradients and steps alone: their products (what has to be computed, so without what is computed again) against the products of
//! `product_limit` on as many threads, which are timed before and after.

mod limit;

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use burn_pg::{
    Config, DeviceChoice, Error, Parts, Trainer, UpdateStats,
    advantage::{Gae, GrpoScale},
    device,
    envs::EnvRng,
    kernel::with_threads,
    loss::{ContextPart, CorrectedKl, Objective, PpoClip, Value},
    optim::{AdamWSpec, OptimiserSpec},
    storage::{Misfit, Saved},
    update::{Epochs, Improved, Learner, Update, UpdateContext},
};
use burn_pg_lm::{
    Texts,
    generate::Limit,
    learning::{Credit, KlPlace, KlWeight, Sample, TextBatch, TextPolicy, TextSource, TextSourceSpec, Written},
    model::{Family, Shape, Transformer},
};

/// As the command line does: training allocates and frees tensors of the same few sizes at a high rate.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const VOCABULARY: u32 = 512;
const PROMPT: usize = 16;
const COMPLETION: usize = 32;
const BATCH: usize = 256;
const SHAPE: Shape = Shape {
    family: Family::Gpt2,
    vocabulary: VOCABULARY as usize,
    context: 64,
    width: 128,
    hidden: 512,
    blocks: 2,
    heads: 4,
    groups: 4,
    head: 32,
    epsilon: 1e-5,
    tied: true,
};

struct Arguments {
    what: String,
    threads: usize,
    updates: u64,
    seed: u64,
    kl: f64,
    rows: usize,
}

fn arguments() -> Arguments {
    let mut given = std::env::args().skip(1);
    let what = given.next().unwrap_or_else(|| "grpo".into());
    let mut arguments = Arguments { what, threads: 1, updates: 60, seed: 0, kl: 0.05, rows: 16 };
    while let Some(name) = given.next() {
        let value = given.next().unwrap_or_else(|| panic!("{name} needs a value"));
        let number = || value.parse::<usize>().unwrap_or_else(|_| panic!("{name} {value}"));
        match name.as_str() {
            "--threads" => arguments.threads = number(),
            "--updates" => arguments.updates = number() as u64,
            "--seed" => arguments.seed = number() as u64,
            "--rows" => arguments.rows = number(),
            "--kl" => arguments.kl = value.parse().expect("a number"),
            _ => panic!("unknown option {name}"),
        }
    }
    arguments
}

/// An update whose time is added up.
struct Timed {
    update: Epochs,
    time: Arc<Mutex<Duration>>,
}

impl Update<TextPolicy, TextBatch> for Timed {
    fn check(&self, given: &[ContextPart]) -> Result<(), Error> {
        Update::<TextPolicy, TextBatch>::check(&self.update, given)
    }

    fn improve(
        &mut self,
        policy: &TextPolicy,
        samples: TextBatch,
        context: UpdateContext,
    ) -> Result<Improved<TextPolicy>, Error> {
        let begin = Instant::now();
        let improved = self.update.improve(policy, samples, context);
        *self.time.lock().expect("no thread has panicked") += begin.elapsed();
        improved
    }

    fn save(&self) -> Result<Saved, Misfit> {
        Update::<TextPolicy, TextBatch>::save(&self.update)
    }

    fn load(&mut self, saved: Saved, policy: &TextPolicy) -> Result<(), Misfit> {
        Update::<TextPolicy, TextBatch>::load(&mut self.update, saved, policy)
    }
}

/// Passes over the completions of an update.
fn passes(what: &str) -> usize {
    if what == "ppo" { 4 } else { 1 }
}

/// Returns how many operations the products of a pass over the completions of an update need: forward, and twice as many backward.
fn flop_of_pass() -> f64 {
    let Shape { width, hidden, blocks, vocabulary, .. } = SHAPE;
    let rows = PROMPT + COMPLETION - 1;
    let [keys, rest] = [2 * width * width, 2 * width * width + 2 * width * hidden];
    // Of the last block, only the rows before completions are needed, but the keys and values of all.
    let blocks_of_all = (blocks - 1) * rows * (keys + rest) + rows * keys + COMPLETION * rest;
    // Scores and sums of values, up to a token's own position.
    let seen = |first: usize| (first..rows).map(|position| position + 1).sum::<usize>();
    let attention = 2 * width * ((blocks - 1) * seen(0) + seen(PROMPT - 1));
    let head = COMPLETION * width * vocabulary;
    (3 * 2 * BATCH * (blocks_of_all + attention + head)) as f64
}

fn trainer(arguments: &Arguments, time: Arc<Mutex<Duration>>) -> Trainer<TextPolicy, TextSource> {
    let Arguments { what, seed, kl, rows, updates, .. } = arguments;
    let device = device::open(DeviceChoice::Auto).expect("a device").device;
    let model = Transformer::random(&SHAPE, *seed, &device.clone().autodiff());
    let reference = model.clone();
    let mut rng = EnvRng::new(seed + 1);
    let prompts: Texts = (0..4096).map(|_| (0..PROMPT).map(|_| rng.below(VOCABULARY)).collect::<Vec<_>>()).collect();
    let clip = || Objective::new().with(1.0, PpoClip::new(0.2));
    let groups = [BATCH / 8, 8];
    let (credit, [prompts_of_update, group_size], objective) = match what.as_str() {
        "grpo" => (Credit::Grpo(GrpoScale::Group), groups, clip().with(*kl, CorrectedKl)),
        "rloo" => (Credit::Rloo { normalize: false }, groups, clip()),
        "ppo" => (Credit::Gae(Gae { gamma: 1.0, lambda: 0.95 }), [BATCH, 1], clip().with(0.1, Value::default())),
        other => panic!("{other} is not grpo, rloo or ppo"),
    };
    let spec = TextSourceSpec {
        kl_weight: KlWeight::Fixed(*kl),
        kl_place: if what == "grpo" { KlPlace::Term } else { KlPlace::Reward },
        sample: if what == "rloo" { Sample::Completion } else { Sample::Token },
        whiten_advantages: what == "ppo",
        rows_at_once: *rows,
        seed: *seed,
        ..TextSourceSpec::new(prompts_of_update, group_size, Limit { tokens: COMPLETION, ends: Vec::new() }, credit)
    };
    let reward = |text: &Written<'_>| {
        text.completion.iter().filter(|&&token| token < VOCABULARY / 2).count() as f64 / COMPLETION as f64
    };
    let optimiser = OptimiserSpec::AdamW(AdamWSpec { weight_decay: 0.0, ..AdamWSpec::default() }).build();
    let learner = Learner {
        max_grad_norm: 1.0,
        micro_batch_size: Some(*rows),
        parts_at_once: true,
        ..Learner::new(objective, optimiser)
    };
    let update = Epochs { num_epochs: passes(what), ..Epochs::once(learner, 1e-3) };
    let update = Box::new(Timed { update, time });
    let config = Config::default().with(|config| {
        config.run.total_steps = updates * BATCH as u64;
        config.run.source = Some("texts".into());
    });
    let policy = TextPolicy::new(model);
    let policy = if what == "ppo" { policy.with_value_head() } else { policy };
    let source = TextSource::new(spec, prompts, reward, Some(reference));
    Trainer::new(Parts { policy, source, update }, &config.validate().expect("valid"), &device).expect("they fit")
}

/// Returns the most memory that the process had, in MB. 0 on systems other than Linux.
fn peak_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1024.0
}

fn main() {
    let arguments = arguments();
    with_threads(arguments.threads, || {
        let time = Arc::new(Mutex::new(Duration::ZERO));
        let mut trainer = trainer(&arguments, Arc::clone(&time));
        let limit_before = limit::gflops(arguments.threads);
        let (begin, mut scores, mut first, mut solved) = (Instant::now(), Vec::new(), 0.0, None);
        trainer
            .run(&mut |stats: &UpdateStats| {
                let (score, second) = (stats.losses["score"], begin.elapsed().as_secs_f64());
                if scores.is_empty() {
                    first = second;
                }
                scores.push(score);
                if score > 0.9 && solved.is_none() {
                    solved = Some((stats.update, second));
                }
                ControlFlow::Continue(())
            })
            .expect("training does not fail");
        let (seconds, updates) = (begin.elapsed().as_secs_f64(), scores.len() as f64);
        let limit = f64::midpoint(limit_before, limit::gflops(arguments.threads));
        let training = time.lock().expect("no thread has panicked").as_secs_f64();
        let gflops = updates * passes(&arguments.what) as f64 * flop_of_pass() / training / 1e9;
        let tokens = (BATCH * COMPLETION) as f64;
        let [solved_update, solved_second] = match solved {
            Some((update, second)) => [update.to_string(), second.to_string()],
            None => ["null", "null"].map(String::from),
        };
        println!(
            "{{\"what\": \"{}\", \"threads\": {}, \"seed\": {}, \"updates\": {updates}, \"tokens_per_second\": {}, \
             \"tokens_per_second_steady\": {}, \"seconds\": {seconds}, \"solved_update\": {solved_update}, \
             \"solved_second\": {solved_second}, \"first_score\": {}, \"last_score\": {}, \
             \"training_seconds\": {training}, \"training_gflops\": {gflops}, \"limit_gflops\": {limit}, \
             \"share_of_limit\": {}, \"peak_rss_mb\": {}}}",
            arguments.what,
            arguments.threads,
            arguments.seed,
            updates * tokens / seconds,
            (updates - 1.0) * tokens / (seconds - first),
            scores.first().copied().unwrap_or_default(),
            scores.last().copied().unwrap_or_default(),
            gflops / limit,
            peak_memory(),
        );
    });
}
