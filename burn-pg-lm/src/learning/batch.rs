//! Completions to learn from.

use burn::tensor::{Int, Tensor, TensorData, activation::log_softmax};
use burn_pg::{
    loss::{Averaging, ContextPart, LossContext},
    source::Samples,
};

use super::TextPolicy;
use crate::Texts;

/// Completions, with numbers for each of their tokens. A row is a completion; the samples of a
/// [context](burn_pg::loss::LossContext) are its tokens.
#[derive(Debug, Clone, Default)]
pub struct TextBatch {
    /// Prompts with their completions.
    pub texts: Texts,
    /// Number of tokens of each completion, at least 1.
    pub lengths: Vec<usize>,
    /// The logarithms of the probabilities of all tokens of the completions when they were written, one completion after the other.
    pub log_probs: Vec<f32>,
    /// Their advantages.
    pub advantages: Vec<f32>,
    /// How losses of tokens are averaged.
    pub averaging: Averaging,
    /// Share of training that was over, 0 to 1.
    pub progress: f64,
}

impl TextBatch {
    /// Returns where the numbers of a completion begin.
    fn start(&self, row: usize) -> usize {
        self.lengths[..row].iter().sum()
    }

    /// Returns the completions with these indices, in that order.
    fn of(&self, rows: impl IntoIterator<Item = usize>) -> Self {
        let mut chosen = Self { averaging: self.averaging, progress: self.progress, ..Self::default() };
        for row in rows {
            let numbers = self.start(row)..self.start(row) + self.lengths[row];
            chosen.texts.push(&self.texts.tokens()[self.texts.range(row)]);
            chosen.lengths.push(self.lengths[row]);
            chosen.log_probs.extend_from_slice(&self.log_probs[numbers.clone()]);
            chosen.advantages.extend_from_slice(&self.advantages[numbers]);
        }
        chosen
    }

    /// Returns the tokens of the completions, and for each the row of the hidden state from which it follows.
    pub(super) fn targets(&self) -> (Vec<u32>, Vec<i64>) {
        let (mut targets, mut rows) = (Vec::new(), Vec::new());
        for (range, &length) in self.texts.ranges().zip(&self.lengths) {
            targets.extend_from_slice(&self.texts.tokens()[range.end - length..range.end]);
            #[allow(clippy::cast_possible_wrap)] // tokens are few
            rows.extend((range.end - length..range.end).map(|token| token as i64 - 1));
        }
        (targets, rows)
    }
}

impl Samples<TextPolicy> for TextBatch {
    fn num_rows(&self) -> usize {
        self.lengths.len()
    }

    fn select(&self, order: &[u32]) -> Self {
        self.of(order.iter().map(|&row| row as usize))
    }

    fn minibatches(&self, size: usize) -> impl Iterator<Item = Self> {
        let rows = self.num_rows();
        (0..rows).step_by(size).map(move |first| self.of(first..rows.min(first + size)))
    }

    fn mass(&self) -> f64 {
        let (_, mass) = self.averaging.weigh(&self.lengths);
        mass
    }

    fn lacks(&self, part: ContextPart) -> bool {
        !ContextPart::ALWAYS.contains(&part)
    }

    fn with_normalized_advantages(mut self) -> Self {
        let count = self.advantages.len() as f64;
        let mean = self.advantages.iter().copied().map(f64::from).sum::<f64>() / count;
        let square = |&advantage: &f32| (f64::from(advantage) - mean).powi(2);
        let deviation = (self.advantages.iter().map(square).sum::<f64>() / (count - 1.0).max(1.0)).sqrt();
        for advantage in &mut self.advantages {
            #[allow(clippy::cast_possible_truncation)] // to single precision
            let normal = ((f64::from(*advantage) - mean) / (deviation + 1e-8)) as f32;
            *advantage = normal;
        }
        self
    }

    fn context<'a>(&'a self, policy: &TextPolicy) -> LossContext<'a> {
        let hidden = policy.model.hidden(&self.texts);
        let (device, dtype) = (hidden.device(), hidden.dtype());
        let (targets, rows) = self.targets();
        let hidden = hidden.select(0, Tensor::<1, Int>::from_data(TensorData::from(&rows[..]), &device));
        let column =
            |values: &[f32]| Tensor::<1>::from_data(TensorData::from(values).convert_dtype(dtype), (&device, dtype));
        let (weights, mass) = self.averaging.weigh(&self.lengths);
        let model = policy.model.clone();
        let states = hidden.clone();
        let entropies = move || {
            let log_probs = log_softmax(model.logits(states.clone()), 1);
            -(log_probs.clone().exp() * log_probs).sum_dim(1).squeeze_dim::<1>(1)
        };
        let context = LossContext::new(mass, self.progress)
            .with_tensor(ContextPart::LogProbs, policy.model.log_probs(hidden, &targets))
            .with(ContextPart::Entropies, entropies)
            .with_tensor(ContextPart::OldLogProbs, column(&self.log_probs))
            .with_tensor(ContextPart::Advantages, column(&self.advantages));
        match weights {
            Some(weights) => context.with_tensor(ContextPart::Weights, column(&weights)),
            None => context,
        }
    }
}
