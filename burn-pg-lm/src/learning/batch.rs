//! Completions to learn from.

use std::{ops::Range, sync::Arc};

use burn::tensor::{DType, Device, IndexingUpdateOp, Int, Tensor, TensorData, activation::log_softmax};
use burn_pg::{
    Error,
    kernel::parts::map_alone,
    loss::{Averaging, ContextPart, LossContext},
    ranks::Ranks,
    source::Samples,
};

use serde::{Deserialize, Serialize};

use super::{Columns, TextPolicy, columns::on_device};
use crate::{Texts, model::Transformer};

/// What a sample of a [context](LossContext) is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sample {
    /// A token of a completion.
    #[default]
    Token,
    /// A whole completion. Its log-probability is the sum over its tokens, and its ratio the product of theirs: the action is the
    /// completion, as in RLOO.
    Completion,
    /// A whole completion, with the mean over its tokens in place of the sum, so that ratios of long completions are not more
    /// extreme than those of short ones.
    ///
    /// Source: C. Zheng et al., *Group sequence policy optimization* (2025).
    MeanOfCompletion,
}

/// Completions, with numbers for each of their tokens. A row is a completion.
#[derive(Debug, Clone, Default)]
pub struct TextBatch {
    /// Prompts with their completions.
    pub texts: Texts,
    /// Number of tokens of each completion, at least 1.
    pub lengths: Vec<usize>,
    /// Numbers for all tokens of the completions, one completion after the other: their log-probabilities when they were written,
    /// advantages, and what else there is.
    pub columns: Columns,
    /// A model that is not trained, with which the policy can be compared over the whole vocabulary.
    pub reference: Option<Arc<Transformer>>,
    /// What a sample is.
    pub sample: Sample,
    /// How losses of tokens are averaged.
    pub averaging: Averaging,
    /// Share of training that was over, 0 to 1.
    pub progress: f64,
}

impl TextBatch {
    /// Shifts and scales the advantages of all samples of all ranks to mean 0 and a standard deviation of 1. A completion that is a sample counts once, whatever
    /// its length.
    pub(super) fn whiten_advantages(&mut self, ranks: &Ranks) {
        let ranges: Vec<_> = self.tokens().collect();
        let Some(advantages) = self.columns.get_mut(ContextPart::Advantages) else { return };
        if self.sample == Sample::Token {
            return whiten_over(ranks, advantages);
        }
        let mut of_completions: Vec<f32> = ranges.iter().map(|tokens| advantages[tokens.start]).collect();
        whiten_over(ranks, &mut of_completions);
        for (tokens, advantage) in ranges.into_iter().zip(of_completions) {
            advantages[tokens].fill(advantage);
        }
    }

    /// Returns where the numbers of each completion are.
    pub(super) fn tokens(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let mut end = 0;
        self.lengths.iter().map(move |length| {
            end += length;
            end - length..end
        })
    }

    /// Returns the completions with these indices, in that order.
    pub(super) fn of(&self, rows: impl IntoIterator<Item = usize>) -> Self {
        let places: Vec<_> = self.tokens().collect();
        let mut chosen = Self {
            texts: Texts::default(),
            lengths: Vec::new(),
            columns: Columns::default(),
            reference: self.reference.clone(),
            ..*self
        };
        for row in rows {
            chosen.texts.push(&self.texts.tokens()[self.texts.range(row)]);
            chosen.lengths.push(self.lengths[row]);
            chosen.columns.extend(&self.columns, places[row].clone());
        }
        chosen
    }

    /// Returns the tokens of the completions.
    pub(super) fn targets(&self) -> Vec<u32> {
        let of_text = |(range, length): (Range<usize>, &usize)| &self.texts.tokens()[range.end - length..range.end];
        self.texts.ranges().zip(&self.lengths).flat_map(of_text).copied().collect()
    }

    /// Returns the hidden states of a model from which the tokens of the completions follow. Shape `[T, C]`.
    pub(super) fn hidden(&self, model: &Transformer) -> Tensor<2> {
        // A token follows from the hidden state before it.
        let before = |(range, length): (Range<usize>, &usize)| range.len() - length - 1..range.len() - 1;
        let positions: Vec<_> = self.texts.ranges().zip(&self.lengths).map(before).collect();
        model.hidden_at(&self.texts, &positions)
    }

    /// Returns the log-probabilities of the tokens of the completions under a model. Shape `[T]`.
    pub(super) fn log_probs(&self, model: &Transformer) -> Tensor<1> {
        model.log_probs(self.hidden(model), &self.targets())
    }

    /// Returns numbers of all tokens of the completions, computed from parts of `rows` completions each, without autodiff; with `at_once`, several
    /// parts at a time.
    ///
    /// # Errors
    /// [`Error::Execution`] if the device fails.
    pub(super) fn by_parts(
        &self,
        rows: usize,
        at_once: bool,
        compute: impl Fn(&Self) -> Tensor<1> + Sync + Send,
    ) -> Result<Vec<f32>, Error> {
        let part = |first: usize| self.of(first..self.lengths.len().min(first + rows));
        let firsts = (0..self.lengths.len()).step_by(rows).collect();
        in_parts(firsts, at_once, |first| {
            let data = compute(&part(first)).try_into_data().map_err(|error| Error::Execution(error.to_string()))?;
            Ok(data.iter::<f32>().collect())
        })
    }

    /// Returns the KL divergence from a model in the place of each token of the completions, over the whole vocabulary. Shapes: `ours`,
    /// log-probabilities of all tokens of the vocabulary in each place, `[T, V]`; result `[T]`.
    fn divergences(&self, ours: Tensor<2>, reference: &Transformer) -> Tensor<1> {
        let theirs = log_softmax(reference.logits(self.hidden(reference)), 1);
        // On a device with autodiff, as ours.
        let theirs = if ours.device().is_autodiff() { Tensor::from_inner(theirs) } else { theirs };
        (ours.clone().exp() * (ours - theirs)).sum_dim(1).squeeze_dim::<1>(1)
    }

    /// Returns the KL divergence of one model from another in the place of each token of the completions. Shape `[T]`.
    pub(super) fn divergences_of(&self, model: &Transformer, reference: &Transformer) -> Tensor<1> {
        self.divergences(log_softmax(model.logits(self.hidden(model)), 1), reference)
    }

    /// Turns numbers of tokens (shape `[T]`) into those of samples: as they are, or added up for each completion.
    fn of_samples(&self, tokens: Tensor<1>) -> Tensor<1> {
        match self.sample {
            Sample::Token => tokens,
            Sample::Completion => summed(tokens, &self.lengths),
            Sample::MeanOfCompletion => {
                let shares: Vec<f32> = self.lengths.iter().map(|&length| 1.0 / length as f32).collect();
                let shares = on_device(&shares, &tokens.device(), tokens.dtype());
                summed(tokens, &self.lengths) * shares
            }
        }
    }

    /// Adds what is known of whole completions to a context. The advantage is that of the first token, because all tokens have the same one.
    fn add_completions<'a>(&self, mut context: LossContext<'a>, device: &Device, dtype: DType) -> LossContext<'a> {
        for part in [ContextPart::OldLogProbs, ContextPart::ReferenceLogProbs] {
            if let Some(tokens) = self.columns.get(part) {
                // Added up as the log-probabilities of the policy are, so that the first ratio is exactly 1.
                context = context.with_tensor(part, self.of_samples(on_device(tokens, device, dtype)));
            }
        }
        let Some(advantages) = self.columns.get(ContextPart::Advantages) else { return context };
        let advantages: Vec<f32> = self.tokens().map(|tokens| advantages[tokens.start]).collect();
        context.with_tensor(ContextPart::Advantages, on_device(&advantages, device, dtype))
    }
}

/// Returns the numbers of all parts in order; with `at_once`, each part is computed on a thread of its own.
pub(super) fn in_parts<I: Send, R: Send>(
    parts: Vec<I>,
    at_once: bool,
    compute: impl Fn(I) -> Result<Vec<R>, Error> + Sync + Send,
) -> Result<Vec<R>, Error> {
    let computed = if at_once { map_alone(parts, compute) } else { parts.into_iter().map(compute).collect() };
    Ok(computed.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// Adds up the numbers of consecutive tokens. Shapes: `tokens` `[T]`, result `[lengths]`.
pub(super) fn summed(tokens: Tensor<1>, lengths: &[usize]) -> Tensor<1> {
    let (device, dtype) = (tokens.device(), tokens.dtype());
    #[allow(clippy::cast_possible_wrap)] // texts are few
    let owner = |(i, &length): (usize, &usize)| std::iter::repeat_n(i as i64, length);
    let owners: Vec<i64> = lengths.iter().enumerate().flat_map(owner).collect();
    let owners = Tensor::<1, Int>::from_data(TensorData::from(&owners[..]), &device);
    Tensor::zeros([lengths.len()], (&device, dtype)).select_assign(0, owners, tokens, IndexingUpdateOp::Add)
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
        match self.sample {
            Sample::Token => self.averaging.weigh(&self.lengths).1,
            Sample::Completion | Sample::MeanOfCompletion => self.lengths.len() as f64,
        }
    }

    fn lacks(&self, part: ContextPart) -> bool {
        match part {
            ContextPart::LogProbs => false,
            ContextPart::Entropies => self.sample != Sample::Token,
            // A policy has them whose values were recorded.
            ContextPart::Values => self.columns.get(ContextPart::OldValues).is_none(),
            ContextPart::ReferenceKls => self.reference.is_none() || self.sample != Sample::Token,
            part => self.columns.get(part).is_none(),
        }
    }

    fn with_advantages_normalized_over(mut self, ranks: &Ranks) -> Self {
        self.whiten_advantages(ranks);
        self
    }

    fn context<'a>(&'a self, policy: &TextPolicy) -> LossContext<'a> {
        let hidden = self.hidden(&policy.model);
        let (device, dtype) = (hidden.device(), hidden.dtype());
        let log_probs = policy.model.log_probs(hidden.clone(), &self.targets());
        let mut context = LossContext::new(Samples::<TextPolicy>::mass(self), self.progress)
            .with_tensor(ContextPart::LogProbs, self.of_samples(log_probs));
        if self.sample != Sample::Token {
            return self.add_completions(context, &device, dtype);
        }
        if let (Some(weights), _) = self.averaging.weigh(&self.lengths) {
            context = context.with_tensor(ContextPart::Weights, on_device(&weights, &device, dtype));
        }
        if let Some(values) = policy.values(hidden.clone()) {
            context = context.with_tensor(ContextPart::Values, values);
        }
        let (model, states) = (policy.model.clone(), hidden);
        let of_all = move || log_softmax(model.logits(states.clone()), 1);
        if let Some(reference) = self.reference.clone() {
            let of_all = of_all.clone();
            context = context.with(ContextPart::ReferenceKls, move || self.divergences(of_all(), &reference));
        }
        let entropies = move || {
            let log_probs = of_all();
            -(log_probs.clone().exp() * log_probs).sum_dim(1).squeeze_dim::<1>(1)
        };
        self.columns.add_to(context.with(ContextPart::Entropies, entropies), &device, dtype)
    }
}

/// Shifts and scales values to mean 0 and standard deviation 1 over all ranks.
fn whiten_over(ranks: &Ranks, values: &mut [f32]) {
    match ranks.is_alone() {
        true => whiten(values, true),
        false => ranks.normalize(values, &[]),
    }
}

/// Scales numbers to a standard deviation of 1 (with Bessel's correction, plus 1e-8), and, if `shift`, shifts them to mean 0.
#[allow(clippy::cast_possible_truncation)] // to single precision
pub fn whiten(values: &mut [f32], shift: bool) {
    let count = values.len() as f64;
    let mean = values.iter().copied().map(f64::from).sum::<f64>() / count;
    let square = |&value: &f32| (f64::from(value) - mean).powi(2);
    let deviation = (values.iter().map(square).sum::<f64>() / (count - 1.0).max(1.0)).sqrt();
    let kept = if shift { 0.0 } else { mean };
    for value in values {
        *value = ((f64::from(*value) - mean) / (deviation + 1e-8) + kept) as f32;
    }
}
