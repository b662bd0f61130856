//! Gradient accumulation.

use burn::tensor::Tensor;

/// The mean over a batch of B samples, put together from the means over its parts,
///
/// ```text
/// mean = sum_k (B_k / B) mean_k
/// ```
///
/// If a loss is a mean over samples, so is its gradient: the gradients of parts that fit into memory, each weighted by
/// its share of the samples, add up to the gradient of the whole batch, whatever the sizes of the parts.
///
/// ```
/// use burn_pg::{DeviceChoice, burn::tensor::Tensor, device, optim::BatchMean};
///
/// let device = device::open(DeviceChoice::Auto)?.device;
/// let mut gradient = BatchMean::new(4);
/// gradient.add(Tensor::from_data([1.0], &device), 3);
/// gradient.add(Tensor::from_data([5.0], &device), 1);
/// assert_eq!(gradient.finish().into_scalar::<f32>(), 2.0);
/// # Ok::<(), burn_pg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct BatchMean {
    batch_size: usize,
    added: usize,
    sum: Option<Tensor<1>>,
}

impl BatchMean {
    /// The mean over a batch of `batch_size` samples, of which none has been seen yet.
    #[must_use]
    pub fn new(batch_size: usize) -> Self {
        Self { batch_size, added: 0, sum: None }
    }

    /// Adds a part: a mean (a flat gradient of shape `[P]`, or a metric of shape `[1]`) over `samples` samples.
    pub fn add(&mut self, mean: Tensor<1>, samples: usize) {
        let share = mean.mul_scalar(samples as f64 / self.batch_size as f64);
        self.added += samples;
        self.sum = Some(match self.sum.take() {
            None => share,
            Some(sum) => sum + share,
        });
    }

    /// The mean over the whole batch.
    ///
    /// # Panics
    /// Unless the parts have `batch_size` samples together, and there is one.
    #[must_use]
    pub fn finish(self) -> Tensor<1> {
        assert_eq!(self.added, self.batch_size, "the parts of a batch are the whole batch");
        self.sum.expect("a batch has at least one part")
    }
}
