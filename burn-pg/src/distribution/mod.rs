//! Distributions over actions.
//!
//! Log-probabilities and entropies are computed on the device, with gradients; sampling happens on the host, from our
//! own streams of random numbers, so that a seed gives the same actions on any device and with any number of threads.

mod action_tensor;
mod categorical;

use burn::tensor::Tensor;
use burn_pg_envs::{ActionBuffer, EnvRng};

pub use action_tensor::ActionTensor;
pub use categorical::Categorical;

/// A batch of B distributions over actions.
pub trait Distribution {
    /// The numbers that define the batch, to be read back to the host. Shape `[B, P]`.
    fn parameters(&self) -> Tensor<2>;

    /// The log-probability of one action each. Shape `[B]`.
    fn log_prob(&self, actions: &ActionTensor) -> Tensor<1>;

    /// The entropy in nats. Shape `[B]`.
    fn entropy(&self) -> Tensor<1>;

    /// Draws one action for each row of `parameters` (as read back, `[B, P]` row-major), row `i` from `streams[i]`, and
    /// appends the actions and their log-probabilities.
    ///
    /// # Errors
    /// [`DistributionError`] if a row does not define a distribution; nothing has been appended then.
    fn sample(
        parameters: &[f32],
        streams: &mut [EnvRng],
        actions: &mut ActionBuffer,
        log_probs: &mut Vec<f32>,
    ) -> Result<(), DistributionError>;

    /// Appends the most probable action for each of the `batch` rows of `parameters`.
    ///
    /// # Errors
    /// As [`sample`](Self::sample).
    fn mode(parameters: &[f32], batch: usize, actions: &mut ActionBuffer) -> Result<(), DistributionError>;
}

/// Numbers that do not define a distribution.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DistributionError {
    /// A parameter is NaN or infinite.
    #[error("row {row}: parameter {index} is {value}")]
    NotANumber {
        /// Row in the batch.
        row: usize,
        /// Index within the row.
        index: usize,
        /// Its value.
        value: f32,
    },
    /// Every action has probability 0.
    #[error("row {row}: every action is impossible")]
    NothingPossible {
        /// Row in the batch.
        row: usize,
    },
}
