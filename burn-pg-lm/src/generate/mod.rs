//! Writing: texts that a model continues, token after token.

mod choice;
mod continuation;
mod writer;

pub use choice::{Choice, ChoiceError};
pub use continuation::Continuation;
pub use writer::{Cache, Writer};

use burn_pg::kernel::parts::{Real, for_each, map_alone};

use crate::Texts;

/// What a model has written after a prompt.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Completion<T> {
    /// The tokens, with the one that ended the text if it has ended.
    pub tokens: Vec<u32>,
    /// The logarithm of the probability of each token under the model, whatever the [`Choice`].
    pub log_probs: Vec<T>,
    /// The value before each token, if the writer has a value head.
    pub values: Vec<T>,
    /// True if the last token is one that ends texts; false if the text was cut off.
    pub ended: bool,
}

/// When a completion ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Most tokens of a completion. It also ends where the context of the model does.
    pub tokens: usize,
    /// The tokens that end a text. If empty, a completion ends only at the limit of tokens or of the context.
    pub ends: Vec<u32>,
}

/// Continues each prompt. `streams` has a stream of uniform random numbers, from 0 to below 1, for each prompt. A completion depends only on its
/// prompt and its stream. Consecutive equal prompts are read once. An empty prompt is not continued.
///
/// # Panics
/// If there are not as many streams as prompts, a prompt is longer than the context, or a token is not in the vocabulary.
pub fn complete<T: Real, S: FnMut() -> f64 + Send>(
    writer: &Writer<T>,
    prompts: &Texts,
    choice: &Choice,
    limit: &Limit,
    streams: &mut [S],
) -> Vec<Completion<T>> {
    assert_eq!(streams.len(), prompts.len(), "one stream for each prompt");
    let threads = if writer.shape().is_small() { rayon::current_num_threads() } else { 1 };
    let size = prompts.len().div_ceil(threads).max(AT_LEAST);
    let texts: Vec<&[u32]> = prompts.iter().collect();
    let parts = texts.chunks(size).zip(streams.chunks_mut(size)).collect();
    let complete = |(prompts, streams): (&[&[u32]], &mut [S])| {
        complete_part(writer, &prompts.iter().copied().collect(), choice, limit, streams)
    };
    map_alone(parts, complete).into_iter().flatten().collect()
}

/// Least texts that a thread completes on its own; fewer are completed on all threads together.
const AT_LEAST: usize = 32;

fn complete_part<T: Real, S: FnMut() -> f64 + Send>(
    writer: &Writer<T>,
    prompts: &Texts,
    choice: &Choice,
    limit: &Limit,
    streams: &mut [S],
) -> Vec<Completion<T>> {
    let mut completions = vec![Completion::default(); prompts.len()];
    // Which texts go on, and the hidden state after the last token of each.
    let (mut live, mut caches, mut hidden) = read(writer, prompts);
    while !live.is_empty() {
        if let Some(values) = writer.values(&hidden) {
            live.iter().zip(values).for_each(|(&text, value)| completions[text].values.push(value));
        }
        let logits = writer.logits(&hidden);
        let chosen = choose(choice, &logits, writer.vocabulary(), &live, streams);
        let mut next = Texts::default();
        let mut goes_on = Vec::with_capacity(live.len());
        for ((&text, cache), (token, log_prob)) in live.iter().zip(&caches).zip(chosen) {
            let completion = &mut completions[text];
            completion.tokens.push(token);
            completion.log_probs.push(log_prob);
            completion.ended = limit.ends.contains(&token);
            let is_full = completion.tokens.len() >= limit.tokens || cache.len() >= writer.context();
            goes_on.push(!completion.ended && !is_full);
            if !completion.ended && !is_full {
                next.push(&[token]);
            }
        }
        let mut keep = goes_on.iter();
        live.retain(|_| *keep.next().expect("one flag for each text"));
        let mut keep = goes_on.iter();
        caches.retain(|_| *keep.next().expect("one flag for each text"));
        hidden = writer.read(&mut caches, &next);
    }
    completions
}

/// Texts that a task chooses tokens for.
const TEXTS: usize = 8;

/// Logits and streams of texts, and where their tokens are written.
type Chosen<'a, T, S> = ((&'a [T], &'a mut [&'a mut S]), &'a mut [(u32, T)]);

/// Chooses the next token of each text that goes on, with its own stream. Shape of `logits`: `[live, vocabulary]`.
fn choose<T: Real, S: FnMut() -> f64 + Send>(
    choice: &Choice,
    logits: &[T],
    vocabulary: usize,
    live: &[usize],
    streams: &mut [S],
) -> Vec<(u32, T)> {
    let mut chosen = vec![(0, T::zero()); live.len()];
    let mut indices = live.iter().peekable();
    let of_live = streams.iter_mut().enumerate().filter(|(text, _)| indices.next_if(|&live| live == text).is_some());
    let mut of_live: Vec<&mut S> = of_live.map(|(_, stream)| stream).collect();
    let tasks = logits.chunks(TEXTS * vocabulary).zip(of_live.chunks_mut(TEXTS)).zip(chosen.chunks_mut(TEXTS));
    for_each(
        tasks.collect(),
        || (),
        |(), ((logits, streams), chosen): Chosen<'_, T, S>| {
            for ((logits, stream), chosen) in logits.chunks_exact(vocabulary).zip(streams).zip(chosen) {
                *chosen = choice.choose(logits, stream);
            }
        },
    );
    chosen
}

/// Reads the prompts. Returns the indices of those that are not empty, their caches, and the hidden state after the last token of
/// each.
fn read<T: Real>(writer: &Writer<T>, prompts: &Texts) -> (Vec<usize>, Vec<Cache<T>>, Vec<T>) {
    let live: Vec<usize> = (0..prompts.len()).filter(|&text| !prompts.range(text).is_empty()).collect();
    let texts: Vec<&[u32]> = prompts.iter().collect();
    let mut different: Vec<&[u32]> = live.iter().map(|&text| texts[text]).collect();
    different.dedup();
    let mut caches = vec![writer.cache(); different.len()];
    let states = writer.read(&mut caches, &different.iter().copied().collect());
    let (mut all, mut hidden, mut at) = (Vec::with_capacity(live.len()), Vec::new(), 0);
    for (i, &text) in live.iter().enumerate() {
        at += usize::from(i > 0 && texts[text] != texts[live[i - 1]]);
        all.push(caches[at].clone());
        hidden.extend_from_slice(&states[at * writer.width()..(at + 1) * writer.width()]);
    }
    (live, all, hidden)
}
