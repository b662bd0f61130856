//! What an objective comes to.

use burn::tensor::Tensor;

use super::Metric;

/// What an objective comes to for a minibatch.
#[derive(Debug, Clone)]
pub struct ObjectiveOutput {
    /// The loss to minimise. Shape `[1]`.
    pub loss: Tensor<1>,
    /// Numbers to report. Shape `[1]` each, without gradient.
    pub metrics: Vec<Metric>,
}

/// What an objective comes to for a part of a minibatch. Parts add up to the whole.
pub(crate) struct PartialOutput {
    /// The share of the part in the loss to minimise. Shape `[1]`.
    pub loss: Tensor<1>,
    pub reported: Reported,
}

/// What is reported of a part of a minibatch. Shape `[1]` each, without gradient.
pub(crate) struct Reported {
    /// Losses of the terms, and the loss itself: shares of those of the minibatch.
    pub losses: Vec<Metric>,
    /// Weighted sums of the metrics of the terms.
    pub sums: Vec<Metric>,
    /// Samples of the part.
    pub samples: usize,
    /// Sum of their weights, if they have weights.
    pub weight: Option<Tensor<1>>,
}

impl From<PartialOutput> for ObjectiveOutput {
    fn from(PartialOutput { loss, reported }: PartialOutput) -> Self {
        Self { loss, metrics: reported.into_metrics() }
    }
}

impl Reported {
    /// What is reported of two parts together.
    pub fn and(self, other: Self) -> Self {
        let add = |one: Vec<Metric>, other: Vec<Metric>| {
            one.into_iter().zip(other).map(|((name, one), (_, other))| (name, one + other)).collect()
        };
        Self {
            losses: add(self.losses, other.losses),
            sums: add(self.sums, other.sums),
            samples: self.samples + other.samples,
            weight: self.weight.zip(other.weight).map(|(one, other)| one + other),
        }
    }

    /// All metrics, as those of a whole minibatch.
    pub fn into_metrics(self) -> Vec<Metric> {
        let Self { losses, sums, samples, weight } = self;
        // Samples that are all masked have sums of 0, and means of 0.
        let weight = weight.map(|weight| weight.clamp_min(f64::from(f32::MIN_POSITIVE)));
        let mean = |sum: Tensor<1>| match &weight {
            None => sum.div_scalar(samples as f64),
            Some(weight) => sum / weight.clone(),
        };
        let means = sums.into_iter().map(|(name, sum)| (name, mean(sum)));
        losses.into_iter().chain(means).collect()
    }
}
