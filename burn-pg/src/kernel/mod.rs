//! Kernels: the operations in which training spends most of its time, each as one operation.

// A function uses vector instructions only if it is inlined into a function of `vectorised!`: see `host/vector.rs`.
#![allow(clippy::inline_always)]
// What other crates of this workspace use is public, but not a part of the library's interface.
#![allow(clippy::must_use_candidate, clippy::return_self_not_must_use)]

mod activation;
#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(feature = "flex")]
mod flex;
// Most of `formula` and `host` is used only by the flex kernels and by fused minibatches.
#[cfg_attr(not(feature = "flex"), allow(dead_code))]
pub(crate) mod formula;
#[cfg_attr(not(feature = "flex"), allow(dead_code, unused_imports))]
pub(crate) mod host;
mod loss;
mod operations;
#[doc(hidden)]
pub mod parts;
mod perceptron;
mod table;
pub(crate) mod team;
pub(crate) mod threads;

use burn::tensor::{Device, Tensor};

pub use activation::Activation;
pub use host::vector;
pub(crate) use loss::{clipped_surrogate, value_error, weighted_sums, weighted_total};
pub(crate) use operations::{ClippedSurrogate, ValueLimit};
pub use perceptron::{perceptron, perceptron_reference};
pub(crate) use table::{
    adam_step, categorical_entropy, categorical_log_prob, clip_global_norm, gaussian_entropy, gaussian_log_prob,
    join_slices, normalize, on_host,
};
pub use threads::with_threads;

/// Largest number of layers in a perceptron that has a kernel.
pub(crate) const MOST_LAYERS: usize = 8;

/// Returns the bytes that each thread keeps for matrix products outside the kernels. The `gemm` crate, which the `flex`
/// backend uses, allocates as much as the second-level cache holds.
pub(crate) fn product_bytes() -> u64 {
    #[cfg(feature = "flex")]
    return gemm_common::cache::CACHE_INFO[1].cache_bytes as u64;
    #[cfg(not(feature = "flex"))]
    return 512 << 10;
}

/// True if there are kernels for the device: if its tensors are in the memory of the host.
pub(crate) fn has_kernels(device: &Device) -> bool {
    on_host(Tensor::<1>::zeros([1], device)).is_some()
}

/// Runs `work`, which uses tensors of `device`. The work runs in a thread pool of this crate if the tensors are in the
/// memory of the host, otherwise on this thread.
pub(crate) fn run_on<R: Send>(device: &Device, work: impl FnOnce() -> R + Send) -> R {
    if has_kernels(device) { threads::in_pool(work) } else { work() }
}
