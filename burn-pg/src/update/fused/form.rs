//! The fused form of a minibatch.

use burn::tensor::Tensor;

use crate::optim::OptimiserState;

/// Metrics by name.
pub(in crate::update) type HostMetrics = Vec<(&'static str, f64)>;

/// Takes a step on the samples with these indices, with this learning rate. Returns the metrics of the loss terms and the
/// `grad_norm` before clipping, all measured before the step.
pub(in crate::update) type Step<'s> = dyn FnMut(&[u32], f64) -> HostMetrics + 's;

/// Passes over samples, which take one step after the other.
pub(in crate::update) type Passes<'p, 's> = &'p mut (dyn FnMut(&mut Step<'_>) + Send + 's);

/// Trains a policy on minibatches of samples, without tensors. See [`Unfused`](super::Unfused).
pub(in crate::update) trait Fused {
    /// Runs `passes`. Between its steps the threads do not sleep.
    fn train(&mut self, passes: Passes<'_, '_>);

    /// Returns the gradient (shape `[P]`) of the samples with the indices `rows`, before clipping, and the metrics of the
    /// loss terms.
    fn gradient(&mut self, rows: &[u32]) -> (Tensor<1>, HostMetrics);

    /// Returns the parameters (shape `[P]`) and the state of the optimiser.
    fn finish(self: Box<Self>) -> (Tensor<1>, OptimiserState);
}
