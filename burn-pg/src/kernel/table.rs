//! The table of kernels: from an operation and a backend to the kernel that does it.
//!
//! A row is an operation, and a column a backend's [`Table`]. A backend that has no kernel for an operation leaves it out, and a
//! kernel gives nothing for tensors that it does not serve: of another backend, or of a float type that it was not written for.
//! The caller then takes the reference implementation, which is made of ordinary tensor operations.

use burn::{
    nn::Linear,
    tensor::{Int, Tensor},
};

use super::{Activation, ClippedSurrogate, ValueLimit, host::AdamStep};

/// The tables of all backends that have kernels.
static TABLES: &[Table] = &[
    #[cfg(feature = "flex")]
    super::flex::TABLE,
];

/// Writes the table, and for each operation a function that finds its kernel.
macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $kind:ty),*) -> $output:ty;)*) => {
        /// The kernels of one backend.
        pub(super) struct Table {
            $($(#[$doc])* pub $name: Option<fn($($kind),*) -> Option<$output>>,)*
        }

        impl Table {
            /// A backend without kernels.
            #[allow(dead_code)] // where every backend that is compiled in is without
            pub const NONE: Self = Self { $($name: None),* };
        }

        $(
            $(#[$doc])*
            pub(crate) fn $name($($argument: $kind),*) -> Option<$output> {
                TABLES.iter().find_map(|table| table.$name.and_then(|kernel| kernel($($argument),*)))
            }
        )*
    };
}

operations! {
    /// See [`perceptron`](super::perceptron()).
    perceptron_kernel(input: &Tensor<2>, layers: &[Linear], activation: Activation, activate_last: bool) -> Tensor<2>;
    /// `log p(a)` from logits of shape `[B, K]` and actions of shape `[B]`.
    categorical_log_prob(logits: &Tensor<2>, actions: &Tensor<1, Int>) -> Tensor<1>;
    /// Entropies from logits of shape `[B, K]`.
    categorical_entropy(logits: &Tensor<2>) -> Tensor<1>;
    /// Log-densities from means, logarithms of standard deviations and actions of shape `[B, K]`, and the largest logarithm.
    gaussian_log_prob(mean: &Tensor<2>, log_std: &Tensor<2>, actions: &Tensor<2>, largest_log: f64) -> Tensor<1>;
    /// Entropies from logarithms of standard deviations of shape `[B, K]`.
    gaussian_entropy(log_std: &Tensor<2>) -> Tensor<1>;
    /// See [`clipped_surrogate`](super::clipped_surrogate); with the bounds of ratios, and where the exponential ends.
    clipped_surrogate_kernel(samples: [&Tensor<1>; 3], bounds: [f64; 2], limit: f64) -> ClippedSurrogate;
    /// See [`value_error`](super::value_error).
    value_error_kernel(values: &Tensor<1>, returns: &Tensor<1>, limit: &ValueLimit) -> Tensor<1>;
    /// See [`weighted_total`](super::weighted_total).
    weighted_total_kernel(summands: &[(f64, Tensor<1>)], weights: Option<&Tensor<1>>, mass: f64) -> Tensor<1>;
    /// See [`weighted_means`](super::weighted_means).
    weighted_means_kernel(vectors: &[Tensor<1>], weights: Option<&Tensor<1>>, mass: f64) -> Vec<Tensor<1>>;
    /// See [`normalize`](crate::loss::normalize).
    normalize(numbers: &Tensor<1>) -> Tensor<1>;
    /// See [`clip_global_norm`](crate::optim::clip_global_norm).
    clip_global_norm(gradient: &Tensor<1>, max_norm: f64) -> (Tensor<1>, Tensor<1>);
    /// A step of Adam: parameters and both moments after it.
    adam_step(
        step: AdamStep<f64>, parameters: &Tensor<1>, gradient: &Tensor<1>, moments: [Option<&Tensor<1>>; 2]
    ) -> [Tensor<1>; 3];
    /// Tensors that are parts of one, in order, as that one. Nothing is copied.
    whole(parts: &[Tensor<1>]) -> Tensor<1>;
    /// A copy of the numbers of a tensor whose memory is that of the host.
    numbers_on_host(tensor: &Tensor<1>) -> Vec<f32>;
}

/// A copy of the numbers of a tensor in single precision, if its memory is that of the host.
pub(crate) fn on_host<const D: usize>(tensor: Tensor<D>) -> Option<Vec<f32>> {
    let len = tensor.shape().num_elements();
    numbers_on_host(&tensor.reshape([len]))
}
