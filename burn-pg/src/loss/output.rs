//! The results of an objective.

use burn::tensor::Tensor;

use super::Metric;

/// The loss and the metrics of an objective for a minibatch.
#[derive(Debug, Clone)]
pub struct ObjectiveOutput {
    /// The loss to minimise. Shape `[1]`.
    pub loss: Tensor<1>,
    /// Values to report. Shape `[1]` each, without gradient.
    pub metrics: Vec<Metric>,
}

/// The loss and the metrics of an objective for a part of a minibatch. The parts add up to the whole.
pub(crate) struct PartialOutput {
    /// The contribution of the part to the loss to minimise. Shape `[1]`.
    pub loss: Tensor<1>,
    pub reported: Reported,
}

/// The metrics of a part of a minibatch, as sums. Shape `[1]` each, without gradient.
pub(crate) struct Reported {
    /// The contributions of the part to the losses of the terms and to their weighted sum, `loss`.
    pub losses: Vec<Metric>,
    /// Weighted sums of the metrics of the terms.
    pub sums: Vec<Metric>,
    /// Number of samples of the part.
    pub samples: usize,
    /// Sum of the weights of the samples, if they have weights.
    pub weight: Option<Tensor<1>>,
}

impl From<PartialOutput> for ObjectiveOutput {
    fn from(PartialOutput { loss, reported }: PartialOutput) -> Self {
        Self { loss, metrics: reported.into_metrics() }
    }
}

impl Reported {
    /// Adds the metrics of another part.
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

    /// Returns all metrics, as those of a whole minibatch.
    pub fn into_metrics(self) -> Vec<Metric> {
        let Self { losses, sums, samples, weight } = self;
        // If all samples are masked, the sums are 0 and so are the means.
        let weight = weight.map(|weight| weight.clamp_min(f64::from(f32::MIN_POSITIVE)));
        let mean = |sum: Tensor<1>| match &weight {
            None => sum.div_scalar(samples as f64),
            Some(weight) => sum / weight.clone(),
        };
        let means = sums.into_iter().map(|(name, sum)| (name, mean(sum)));
        losses.into_iter().chain(means).collect()
    }
}
