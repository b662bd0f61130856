//! Distributions over actions.
//!
//! Log-probabilities and entropies are computed on the device, with gradients. Actions are sampled on the host, from
//! our own random streams, so a seed gives the same actions on any device and with any number of threads.
//!
//! | action space | distribution | |
//! | --- | --- | --- |
//! | discrete | [`Categorical`] | with masks of impossible actions |
//! | multi-discrete | [`MultiCategorical`] | with masks of impossible actions |
//! | multi-binary | [`Bernoulli`] | |
//! | box | [`Gaussian`] | independent noise for each action; actions are clipped to their bounds |
//! | box | [`StateDependentGaussian`] | gSDE noise: a function of the state, the same one for several steps |
//! | bounded box | [`SquashedGaussian`] of either | followed by a hyperbolic tangent |
//! | bounded box | [`Beta`] | independent components, each with one peak within the bounds |

mod action_stream;
mod action_tensor;
mod any;
mod bernoulli;
mod beta;
mod categorical;
mod gaussian;
mod multi_categorical;
mod squashed_gaussian;
mod state_dependent;

use burn::tensor::Tensor;
use burn_pg_envs::{ActionBuffer, Space};

pub use action_stream::ActionStream;
pub use action_tensor::ActionTensor;
pub use any::AnyDistribution;
pub use bernoulli::Bernoulli;
pub use beta::Beta;
pub use categorical::Categorical;
pub(crate) use categorical::impossible_logit;
pub(crate) use gaussian::largest_log;
pub use gaussian::{Gaussian, Normal};
pub use multi_categorical::MultiCategorical;
pub use squashed_gaussian::SquashedGaussian;
pub(crate) use squashed_gaussian::squashed_entropy;
pub use state_dependent::StateDependentGaussian;

/// A batch of B distributions over actions.
pub trait Distribution: Clone + Send + 'static {
    /// Returns the parameters that define the batch, to be read back to the host. Shape `[B, P]`.
    fn parameters(&self) -> Tensor<2>;

    /// Checks that the actions of the distribution are those of `space`.
    ///
    /// # Errors
    /// [`ActionMisfit`] if they are not.
    fn check_space(&self, space: &Space) -> Result<(), ActionMisfit>;

    /// Returns the log-probability (or log-density) of one action for each distribution. Shape `[B]`.
    ///
    /// # Panics
    /// If the actions are of another kind than those of the distribution.
    fn log_prob(&self, actions: &ActionTensor) -> Tensor<1>;

    /// Returns the entropy in nats. Shape `[B]`.
    fn entropy(&self) -> Tensor<1>;

    /// Returns the Kullback-Leibler divergence to `other`, `E_self[log self - log other]`, in nats. Shape `[B]`.
    fn kl(&self, other: &Self) -> Tensor<1>;

    /// Draws one action for each row of `parameters` (as read back, `[B, P]` row-major), row `i` from `streams[i]`, and
    /// appends the actions and their log-probabilities. Only the kind and the sizes of `self` are used: `parameters`
    /// may be those of another batch, with more rows or fewer.
    ///
    /// # Errors
    /// [`DistributionError`] if a row does not define a distribution; nothing has been appended then.
    fn sample(
        &self,
        parameters: &[f32],
        streams: &mut [ActionStream],
        actions: &mut ActionBuffer,
        log_probs: &mut Vec<f32>,
    ) -> Result<(), DistributionError>;

    /// Appends the most probable action for each row of `parameters`.
    ///
    /// # Errors
    /// As [`sample`](Self::sample).
    fn mode(&self, parameters: &[f32], actions: &mut ActionBuffer) -> Result<(), DistributionError>;

    /// Converts actions from the sampled form, which is also used in training, to the form that the environment takes.
    /// Default: no change.
    fn to_env(&self, _actions: &mut ActionBuffer) {}
}

/// The actions of a policy are not those of the environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the policy gives {distribution}, but the environment's actions are of the space {space}")]
pub struct ActionMisfit {
    /// The actions of the policy.
    pub distribution: String,
    /// The action space of the environment.
    pub space: String,
}

impl ActionMisfit {
    fn unless(fits: bool, distribution: impl FnOnce() -> String, space: &Space) -> Result<(), Self> {
        if fits { Ok(()) } else { Err(Self { distribution: distribution(), space: space.to_string() }) }
    }
}

/// Parameters that do not define a distribution. The messages leave the row to the caller.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DistributionError {
    /// A parameter is NaN or infinite.
    #[error("parameter {index} is {value}")]
    NotANumber {
        /// Row in the batch.
        row: usize,
        /// Index within the row.
        index: usize,
        /// Its value.
        value: f32,
    },
    /// Every action has probability 0.
    #[error("every action is impossible")]
    NothingPossible {
        /// Row in the batch.
        row: usize,
    },
}

impl DistributionError {
    /// Returns the first row of the batch that does not define a distribution.
    #[must_use]
    pub fn row(&self) -> usize {
        match *self {
            Self::NotANumber { row, .. } | Self::NothingPossible { row } => row,
        }
    }

    /// Moves the error to a larger batch, in which row 0 of this one is row `first`.
    pub(crate) fn in_rows_from(mut self, first: usize) -> Self {
        let (Self::NotANumber { row, .. } | Self::NothingPossible { row }) = &mut self;
        *row += first;
        self
    }
}

/// Refuses parameters that are NaN or infinite, in rows of `width`.
fn check_finite(parameters: &[f32], width: usize) -> Result<(), DistributionError> {
    match parameters.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(DistributionError::NotANumber { row: at / width, index: at % width, value: parameters[at] }),
    }
}
