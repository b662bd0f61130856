//! Kernels: what the loop spends most of its time with, as single operations.

// What is not inlined into a function for vector instructions is compiled without them: see `host/vector.rs`.
#![allow(clippy::inline_always)]

mod activation;
#[cfg(not(feature = "flex"))]
#[path = "absent.rs"]
mod flex;
#[cfg(feature = "flex")]
mod flex;
// The kernels of that backend are all that much of it is for.
#[cfg_attr(not(feature = "flex"), allow(dead_code, unused_imports))]
pub(crate) mod host;
mod perceptron;
pub(crate) mod threads;

use burn::tensor::{Device, Tensor};

pub use activation::Activation;
pub(crate) use flex::{
    adam_step, categorical_entropy, categorical_log_prob, clip_global_norm, clipped_surrogate, gaussian_entropy,
    gaussian_log_prob, normalize, on_host, value_loss, whole,
};
pub use host::vector;
pub use perceptron::{perceptron, perceptron_of_ordinary_ops};
pub use threads::with_threads;

/// `log(2 pi) / 2`.
pub(crate) const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_8;

/// Are there kernels for tensors on this device?
pub(crate) fn has_kernels(device: &Device) -> bool {
    on_host(Tensor::<1>::zeros([1], device)).is_some()
}

/// What [`PpoClip`](crate::loss::PpoClip) comes to. Shapes `[1]`.
pub(crate) struct ClippedSurrogate {
    pub loss: Tensor<1>,
    pub approx_kl: Tensor<1>,
    pub clip_fraction: Tensor<1>,
}

/// How far values may move from old ones, of shape `[M]`; see [`ValueClip`](crate::loss::ValueClip).
#[derive(Clone, Copy)]
pub(crate) enum ValueLimit<'a> {
    /// As far as they like.
    None,
    /// `max((V - R)^2, (V_c - R)^2)`
    Larger(&'a Tensor<1>, f64),
    /// `(V_c - R)^2`
    Moved(&'a Tensor<1>, f64),
}
