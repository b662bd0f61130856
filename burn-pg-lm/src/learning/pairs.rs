//! Pairs of texts to learn from.

use std::sync::Arc;

use burn::tensor::Tensor;
use burn_pg::{
    loss::{ContextPart, LossContext},
    ranks::Ranks,
    source::Samples,
};

use super::{
    TextPolicy,
    batch::{TextBatch, summed},
    columns::on_device,
};
use crate::{model::Transformer, reward::Scorer};

/// Two completions of the same prompt, of which one was preferred.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenPair {
    /// The tokens of the prompt.
    pub prompt: Vec<u32>,
    /// The tokens of the preferred completion, with the end token.
    pub chosen: Vec<u32>,
    /// The tokens of the other one, with the end token.
    pub rejected: Vec<u32>,
    /// By how much the scores should differ at least, 0 or more.
    pub margin: f32,
    /// True if neither is better.
    pub is_tie: bool,
}

/// Pairs of texts. A row is a pair.
#[derive(Debug, Clone, Default)]
pub struct PairBatch {
    /// The pairs.
    pub pairs: Vec<TokenPair>,
    /// The model that a policy is compared with; a reward model needs none.
    pub reference: Option<Arc<Transformer>>,
    /// True to take means over the tokens of a completion, in place of sums.
    pub per_token: bool,
    /// Share of training that was over, 0 to 1.
    pub progress: f64,
}

impl PairBatch {
    /// Returns the texts: chosen, rejected, chosen and so on.
    fn texts(&self) -> TextBatch {
        let mut batch = TextBatch::default();
        for TokenPair { prompt, chosen, rejected, .. } in &self.pairs {
            for completion in [chosen, rejected] {
                batch.texts.push(&[&prompt[..], &completion[..]].concat());
                batch.lengths.push(completion.len());
            }
        }
        batch
    }

    /// Returns the differences of numbers of texts: chosen less rejected. Shapes: `of_texts` `[2 N]`, result `[N]`.
    fn differences(&self, of_texts: Tensor<1>) -> Tensor<1> {
        let [chosen, rejected] = self.sides(of_texts);
        chosen - rejected
    }

    fn sides(&self, of_texts: Tensor<1>) -> [Tensor<1>; 2] {
        let both = of_texts.reshape([self.pairs.len(), 2]);
        [0, 1].map(|side| both.clone().narrow(1, side, 1).squeeze_dim::<1>(1))
    }

    /// Returns how much likelier chosen completions are than rejected ones under a model, as a logarithm. Shape `[N]`.
    fn log_odds(&self, model: &Transformer) -> Tensor<1> {
        let texts = self.texts();
        let of_tokens = texts.log_probs(model);
        let (device, dtype) = (of_tokens.device(), of_tokens.dtype());
        let mut sums = summed(of_tokens, &texts.lengths);
        if self.per_token {
            let lengths: Vec<f32> = texts.lengths.iter().map(|&length| length as f32).collect();
            sums = sums / on_device(&lengths, &device, dtype);
        }
        self.differences(sums)
    }

    fn of(&self, rows: impl Iterator<Item = usize>) -> Self {
        Self { pairs: rows.map(|row| self.pairs[row].clone()).collect(), reference: self.reference.clone(), ..*self }
    }

    /// Returns a context with the probabilities that chosen texts are better, with the device and type of `like`.
    fn context_with<'a>(&self, like: &Tensor<1>) -> LossContext<'a> {
        let probabilities: Vec<f32> = self.pairs.iter().map(|pair| if pair.is_tie { 0.5 } else { 1.0 }).collect();
        let probabilities = on_device(&probabilities, &like.device(), like.dtype());
        LossContext::new(self.pairs.len() as f64, self.progress).with_tensor(ContextPart::Returns, probabilities)
    }

    /// The parts that the context of a policy has.
    pub(super) const OF_POLICY: [ContextPart; 3] =
        [ContextPart::LogProbs, ContextPart::ReferenceLogProbs, ContextPart::Returns];
    /// The parts that the context of a reward model has.
    pub(super) const OF_SCORER: [ContextPart; 4] =
        [ContextPart::LogProbs, ContextPart::ReferenceLogProbs, ContextPart::Returns, ContextPart::Values];
}

/// What is the same for both kinds of models.
macro_rules! rows {
    ($parts:expr) => {
        fn num_rows(&self) -> usize {
            self.pairs.len()
        }

        fn select(&self, order: &[u32]) -> Self {
            self.of(order.iter().map(|&row| row as usize))
        }

        fn minibatches(&self, size: usize) -> impl Iterator<Item = Self> {
            let rows = self.pairs.len();
            (0..rows).step_by(size).map(move |first| self.of(first..rows.min(first + size)))
        }

        fn mass(&self) -> f64 {
            self.pairs.len() as f64
        }

        fn lacks(&self, part: ContextPart) -> bool {
            !$parts.contains(&part)
        }

        fn with_advantages_normalized_over(self, _: &Ranks) -> Self {
            self
        }
    };
}

/// Of a policy, the log-odds of pairs, and those under the reference: direct preference optimisation.
impl Samples<TextPolicy> for PairBatch {
    rows!(Self::OF_POLICY);

    fn context<'a>(&'a self, policy: &TextPolicy) -> LossContext<'a> {
        let ours = self.log_odds(policy.model());
        let theirs = match &self.reference {
            Some(reference) => {
                let theirs = self.log_odds(reference);
                if ours.device().is_autodiff() { Tensor::from_inner(theirs) } else { theirs }
            }
            None => ours.zeros_like().detach(),
        };
        self.context_with(&ours)
            .with_tensor(ContextPart::LogProbs, ours)
            .with_tensor(ContextPart::ReferenceLogProbs, theirs)
    }
}

/// Of a reward model, the differences of scores and the margins, and, as values, the sums of the scores.
impl Samples<Scorer> for PairBatch {
    rows!(Self::OF_SCORER);

    fn context<'a>(&'a self, scorer: &Scorer) -> LossContext<'a> {
        let [chosen, rejected] = self.sides(scorer.scores(&self.texts().texts));
        let margins: Vec<f32> = self.pairs.iter().map(|pair| pair.margin).collect();
        let margins = on_device(&margins, &chosen.device(), chosen.dtype());
        self.context_with(&chosen)
            .with_tensor(ContextPart::LogProbs, chosen.clone() - rejected.clone())
            .with_tensor(ContextPart::ReferenceLogProbs, margins)
            .with_tensor(ContextPart::Values, chosen + rejected)
    }
}
