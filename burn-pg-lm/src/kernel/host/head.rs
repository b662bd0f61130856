//! Probabilities of tokens, without keeping logits.

use burn_pg::{
    kernel::parts::{Real, for_each, lane_max, lane_sum, map},
    vectorised,
};

use super::linear::{Linear, beside, outer_products};

/// Tokens of the vocabulary whose logits are computed at once. The order of a sum over the vocabulary depends on it.
const TOKENS: usize = 512;
/// Rows that a task takes at once.
const ROWS: usize = 64;

/// The head of a language model: from hidden states to logits of the vocabulary.
#[derive(Debug, Clone)]
pub(crate) struct Head<T> {
    width: usize,
    vocabulary: usize,
    /// The maps to the logits of [`TOKENS`] tokens each.
    blocks: Vec<Linear<T>>,
}

/// The softmax of a row while blocks of its logits arrive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Normaliser<T> {
    largest: T,
    sum: T,
}

impl<T: Real> Normaliser<T> {
    pub fn new() -> Self {
        Self { largest: T::neg_infinity(), sum: T::zero() }
    }

    /// Adds a block of logits. Replaces them by scratch values.
    pub fn add(&mut self, logits: &mut [T]) {
        let largest = subtract_largest(logits, self.largest);
        T::exp_all(logits);
        let sum = sum(logits);
        self.sum = self.sum * (self.largest - largest).exp() + sum;
        self.largest = largest;
    }

    /// Returns the logarithm of the sum of the exponentials of all logits.
    pub fn log(&self) -> T {
        self.largest + self.sum.ln()
    }
}

/// Rows of hidden states with their targets, and places for log-probabilities and normalisers.
type Evaluated<'a, T> = ((&'a [T], &'a [u32]), (&'a mut [T], &'a mut [T]));

impl<T: Real> Head<T> {
    /// Creates the head. Shape of `weight`: `[V, C]`.
    pub fn new(weight: &[T], width: usize) -> Self {
        let blocks = weight.chunks(TOKENS * width).map(|block| Linear::transposed(block, width)).collect();
        Self { width, vocabulary: weight.len() / width, blocks }
    }

    /// Returns the logits of hidden states. Shapes: `hidden` `[rows, C]`, result `[rows, V]`.
    pub fn logits(&self, hidden: &[T]) -> Vec<T> {
        let rows = hidden.len() / self.width;
        if rows <= ROWS {
            let parts = map(self.blocks.iter().collect(), |block| {
                let mut part = Vec::new();
                logits_of(block, hidden, rows, &mut part);
                part
            });
            return beside(&parts, rows, self.vocabulary);
        }
        let mut logits = vec![T::zero(); rows * self.vocabulary];
        let tasks = hidden.chunks(ROWS * self.width).zip(logits.chunks_mut(ROWS * self.vocabulary)).collect();
        for_each(tasks, Vec::new, |scratch: &mut Vec<T>, (hidden, logits): (&[T], &mut [T])| {
            for (first, block) in (0..).step_by(TOKENS).zip(&self.blocks) {
                let part = logits_of(block, hidden, hidden.len() / self.width, scratch);
                let rows = part.chunks_exact(block.outputs()).zip(logits.chunks_exact_mut(self.vocabulary));
                rows.for_each(|(part, logits)| logits[first..first + part.len()].copy_from_slice(part));
            }
        });
        logits
    }

    /// Returns the logarithm of the sum of the exponentials of logits, added up as in [`log_probs`](Self::log_probs).
    pub fn normaliser(logits: &[T]) -> T {
        let (mut normaliser, mut scratch) = (Normaliser::new(), Vec::with_capacity(TOKENS));
        for block in logits.chunks(TOKENS) {
            scratch.clear();
            scratch.extend_from_slice(block);
            normaliser.add(&mut scratch);
        }
        normaliser.log()
    }

    /// Returns the logarithms of the probabilities of `targets` after hidden states (shape `[T, C]`), and those of the sums of
    /// the exponentials of logits. Shapes `[T]`.
    pub fn log_probs(&self, hidden: &[T], targets: &[u32]) -> [Vec<T>; 2] {
        let rows = targets.len();
        let (mut log_probs, mut normalisers) = (vec![T::zero(); rows], vec![T::zero(); rows]);
        let results = log_probs.chunks_mut(ROWS).zip(normalisers.chunks_mut(ROWS));
        let tasks = hidden.chunks(ROWS * self.width).zip(targets.chunks(ROWS)).zip(results).collect();
        for_each(
            tasks,
            Vec::new,
            |scratch: &mut Vec<T>, ((hidden, targets), (log_probs, normalisers)): Evaluated<'_, T>| {
                let mut sums = vec![Normaliser::new(); targets.len()];
                for (first, block) in (0..).step_by(TOKENS).zip(&self.blocks) {
                    let logits = logits_of(block, hidden, targets.len(), scratch);
                    for (row, logits) in logits.chunks_exact_mut(block.outputs()).enumerate() {
                        if let Some(&logit) = (targets[row] as usize).checked_sub(first).and_then(|at| logits.get(at)) {
                            log_probs[row] = logit;
                        }
                        sums[row].add(logits);
                    }
                }
                for ((log_prob, normaliser), sum) in log_probs.iter_mut().zip(normalisers).zip(sums) {
                    *normaliser = sum.log();
                    *log_prob = *log_prob - *normaliser;
                }
            },
        );
        [log_probs, normalisers]
    }

    /// Returns the gradients of [`log_probs`](Self::log_probs) with respect to hidden states and weights, from that with respect
    /// to the log-probabilities. Only those that are `needed`; the others are empty.
    pub fn backward(
        &self,
        weight: &[T],
        hidden: &[T],
        targets: &[u32],
        normalisers: &[T],
        of_log_probs: &[T],
        needed: [bool; 2],
    ) -> [Vec<T>; 2] {
        let rows = Rows { targets, normalisers, factors: of_log_probs };
        let width = self.width;
        let mut of_hidden = if needed[0] { vec![T::zero(); hidden.len()] } else { Vec::new() };
        let mut of_weight = Vec::with_capacity(if needed[1] { weight.len() } else { 0 });
        let blocks = (0..).step_by(TOKENS).zip(&self.blocks).zip(weight.chunks(TOKENS * width));
        for ((first, block), weight) in blocks {
            let derivatives = of_logits(block, first, hidden, width, rows);
            if needed[0] {
                let part = Linear::new(weight, None, width).apply(&derivatives);
                of_hidden.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
            }
            if needed[1] {
                of_weight.extend(outer_products(&derivatives, hidden, [block.outputs(), width]));
            }
        }
        [of_hidden, of_weight]
    }
}

/// Returns the derivatives with respect to the logits of a block, whose first token is `first`. Shape `[T, block]`.
fn of_logits<T: Real>(block: &Linear<T>, first: usize, hidden: &[T], width: usize, rows: Rows<'_, T>) -> Vec<T> {
    let tokens = block.outputs();
    let mut derivatives = vec![T::zero(); hidden.len() / width * tokens];
    let tasks =
        hidden.chunks(ROWS * width).zip(derivatives.chunks_mut(ROWS * tokens)).zip((0..).step_by(ROWS)).collect();
    for_each(
        tasks,
        || (),
        |(), ((hidden, derivatives), start): ((&[T], &mut [T]), usize)| {
            block.apply_here(hidden, derivatives);
            rows.part(start, hidden.len() / width).derivatives(derivatives, first, tokens);
        },
    );
    derivatives
}

vectorised! {
    /// Subtracts the largest of values and `least`, and returns it.
    fn subtract_largest<'a, T>(values: &'a mut [T], least: T) -> T {
        let largest = lane_max(values);
        let largest = if largest > least { largest } else { least };
        for value in values {
            *value = *value - largest;
        }
        largest
    }

    fn sum<'a, T>(values: &'a [T]) -> T {
        lane_sum(values)
    }
}

fn subtract<T: Real>(values: &mut [T], amount: T) {
    for value in values {
        *value = *value - amount;
    }
}

/// Computes a block of logits of `count` rows in scratch memory.
fn logits_of<'a, T: Real>(block: &Linear<T>, hidden: &[T], count: usize, scratch: &'a mut Vec<T>) -> &'a mut [T] {
    scratch.resize(count * block.outputs(), T::zero());
    block.apply_here(hidden, scratch);
    scratch
}

/// What the derivatives of rows depend on. Shapes `[T]`.
#[derive(Clone, Copy)]
struct Rows<'a, T> {
    targets: &'a [u32],
    normalisers: &'a [T],
    /// The derivatives with respect to the log-probabilities.
    factors: &'a [T],
}

impl<T: Real> Rows<'_, T> {
    fn part(&self, start: usize, count: usize) -> Self {
        let part = start..start + count;
        Self {
            targets: &self.targets[part.clone()],
            normalisers: &self.normalisers[part.clone()],
            factors: &self.factors[part],
        }
    }

    /// Replaces a block of logits, from token `first` on, by the derivatives with respect to them.
    fn derivatives(&self, logits: &mut [T], first: usize, width: usize) {
        for (row, logits) in logits.chunks_exact_mut(width).enumerate() {
            let (normaliser, factor) = (self.normalisers[row], self.factors[row]);
            subtract(logits, normaliser);
            T::exp_all(logits);
            for value in &mut *logits {
                *value = -(factor * *value);
            }
            if let Some(at) = (self.targets[row] as usize).checked_sub(first).filter(|&at| at < width) {
                logits[at] += factor;
            }
        }
    }
}
