//! The fused form of a minibatch.

use burn::tensor::Tensor;

use crate::optim::OptimiserState;

/// Trains a policy on minibatches of samples, without tensors. See [`Unfused`](super::Unfused).
pub(in crate::update) trait Fused {
    /// Takes a step on the samples with the indices `rows`. Returns the metrics of the loss terms and the `grad_norm`
    /// before clipping, all measured before the step.
    fn step(&mut self, rows: &[u32], learning_rate: f64) -> Vec<(&'static str, f64)>;

    /// Returns the gradient (shape `[P]`) of the samples with the indices `rows`, before clipping, and the metrics of the
    /// loss terms.
    fn gradient(&mut self, rows: &[u32]) -> (Tensor<1>, Vec<(&'static str, f64)>);

    /// Returns the parameters (shape `[P]`) and the state of the optimiser.
    fn finish(self: Box<Self>) -> (Tensor<1>, OptimiserState);
}
