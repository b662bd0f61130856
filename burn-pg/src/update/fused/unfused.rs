//! Why minibatches go through tensors.

use serde::{Serialize, Serializer};

use crate::device::AdapterLimit;

/// Why a minibatch takes the ordinary way, through tensors and autodiff.
///
/// On the `flex` backend, [`Epochs`](crate::update::Epochs) take a minibatch through everything without tensors, in one
/// parallel region: each task takes its rows through the networks, the distribution and the loss terms to the derivative of each
/// output, and back into a gradient of its own, while the rows are in the cache. The gradients are added up in an order
/// that depends only on the number of rows; then norm, clip and optimiser work in place. This is several times as fast,
/// and gives the same results up to rounding. It serves
///
/// - [policies](crate::policy::Policy::perceptrons) of perceptrons, with or without shared layers, with an actor for any
///   action space, but without gSDE noise, recurrent layers and encoders;
/// - [samples](crate::source::Samples::flat) that are vectors and do not depend on each other, with or without action
///   masks and weights;
/// - the [terms](crate::loss::LossTerm::closed_form) and [optimisers](crate::optim::Optimiser::host_rule) of this library.
///
/// On a GPU, a minibatch is three kernels. They serve the same, except weights and several ranks; networks must fit into the memory of a
/// workgroup.
///
/// Everything else takes the ordinary way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfused {
    /// The backend has no kernels.
    #[error("the device is neither `flex` nor a GPU")]
    Device,
    /// The policy is not made of perceptrons alone, for this reason.
    #[error("{0}")]
    Policy(&'static str),
    /// The samples are sequences, images, or of a type of their own.
    #[error("the samples are not vectors")]
    Samples,
    /// A term has no closed form.
    #[error("the loss term `{term}` has no closed form")]
    Term {
        /// The name of the term.
        term: &'static str,
    },
    /// The optimiser is not one of this library.
    #[error("the optimiser is not one of this library")]
    Optimiser,
    /// On a GPU, several ranks train together.
    #[error("several ranks train together, which is not fused on a GPU")]
    RanksOnGpu,
    /// On a GPU, the samples are weighted.
    #[error("the samples are weighted, which is not fused on a GPU")]
    WeightsOnGpu,
    /// On a GPU, the kernels for the policy exceed a limit of the adapter.
    #[error(transparent)]
    Adapter(#[from] AdapterLimit),
}

/// Writes the reason as a string.
impl Serialize for Unfused {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
