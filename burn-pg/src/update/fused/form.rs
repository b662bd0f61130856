//! The fused form of a minibatch.

use burn::tensor::Tensor;

use crate::{device::Failed, optim::OptimiserState};

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

/// What trains a policy without tensors.
pub(in crate::update) enum Form {
    /// On arrays of the host.
    Host(Box<dyn Fused>),
    /// In kernels for a GPU.
    #[cfg_attr(not(feature = "cube"), allow(dead_code))]
    Device(Box<dyn FusedOnDevice>),
}

/// Trains a policy on minibatches of samples in kernels for a GPU.
#[cfg_attr(not(feature = "cube"), allow(dead_code))]
pub(in crate::update) trait FusedOnDevice {
    /// Makes passes over the samples. Waits for the device once, at the end.
    fn train(&self, passes: &DevicePasses) -> Result<Trained, Failed>;

    /// Returns the gradient (shape `[P]`) of all samples as one minibatch, before clipping, and the metrics.
    fn gradient(&self) -> Result<(Tensor<1>, HostMetrics), Failed>;
}

/// What [`FusedOnDevice::train`] does.
#[cfg_attr(not(feature = "cube"), allow(dead_code))]
pub(in crate::update) struct DevicePasses {
    /// The seed of the order of the samples in each pass; 0 for the order in which they are.
    pub seeds: Vec<u32>,
    /// Number of minibatches in a pass. There are fewer, if they are filled by then.
    pub minibatches: usize,
    pub learning_rate: f64,
    /// No further pass begins if `approx_kl` of the last minibatch is above it.
    pub target_kl: f64,
}

/// The result of [`FusedOnDevice::train`].
pub(in crate::update) struct Trained {
    /// Shape `[P]`.
    pub parameters: Tensor<1>,
    pub state: OptimiserState,
    /// The metrics of each step.
    pub metrics: Vec<HostMetrics>,
    /// Number of passes.
    pub epochs: usize,
}
