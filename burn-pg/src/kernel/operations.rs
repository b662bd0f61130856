//! The operations that a backend can have kernels for.

use burn::{
    nn::Linear,
    tensor::{Int, Tensor},
};

use super::{Activation, formula::AdamStep};

/// The result of [`PpoClip`](crate::loss::PpoClip) for each sample. Shapes `[M]`.
pub(crate) struct ClippedSurrogate {
    /// Carries gradients.
    pub loss: Tensor<1>,
    pub approx_kl: Tensor<1>,
    /// 1 where the ratio is outside the interval, 0 elsewhere.
    pub clipped: Tensor<1>,
}

/// The limit on how far values may move from old values of shape `[M]`; see [`ValueClip`](crate::loss::ValueClip).
#[derive(Clone)]
pub(crate) enum ValueLimit {
    /// No limit.
    None,
    /// `max((V - R)^2, (V_c - R)^2)`
    Larger(Tensor<1>, f64),
    /// `(V_c - R)^2`
    Clipped(Tensor<1>, f64),
}

/// Passes the list of operations to another macro.
///
/// If a function of this crate falls back to the reference implementation, the operation has the name of the function
/// with the suffix `_kernel`. Only backends whose tensors are in the memory of the host have `copy_to_host`; threads
/// and collectors use it to find out where tensors are.
macro_rules! for_each_operation {
    ($then:ident) => {
        $then! {
            /// See [`perceptron`](super::perceptron()).
            perceptron_kernel(input: &Tensor<2>, layers: &[Linear], activation: Activation, activate_last: bool) -> Tensor<2>;
            /// `log p(a)` from logits of shape `[B, K]` and actions of shape `[B]`.
            categorical_log_prob(logits: &Tensor<2>, actions: &Tensor<1, Int>) -> Tensor<1>;
            /// Entropies from logits of shape `[B, K]`.
            categorical_entropy(logits: &Tensor<2>) -> Tensor<1>;
            /// Log-densities from means, logarithms of standard deviations and actions, of shape `[B, K]` each. The
            /// inverse of a standard deviation is at most `exp(limit)`.
            gaussian_log_prob(mean: &Tensor<2>, log_std: &Tensor<2>, actions: &Tensor<2>, limit: f64) -> Tensor<1>;
            /// Entropies from logarithms of standard deviations of shape `[B, K]`.
            gaussian_entropy(log_std: &Tensor<2>) -> Tensor<1>;
            /// See [`clipped_surrogate`](super::clipped_surrogate). `bounds` are those of the ratio; beyond `limit`,
            /// the exponential follows its tangent.
            clipped_surrogate_kernel(samples: [&Tensor<1>; 3], bounds: [f64; 3], limit: f64) -> ClippedSurrogate;
            /// See [`value_error`](super::value_error).
            value_error_kernel(values: &Tensor<1>, returns: &Tensor<1>, limit: &ValueLimit) -> Tensor<1>;
            /// See [`weighted_total`](super::weighted_total).
            weighted_total_kernel(summands: &[(f64, Tensor<1>)], weights: Option<&Tensor<1>>, mass: f64) -> Tensor<1>;
            /// See [`weighted_sums`](super::weighted_sums).
            weighted_sums_kernel(vectors: &[Tensor<1>], weights: Option<&Tensor<1>>, mass: f64) -> Vec<Tensor<1>>;
            /// See [`normalize`](crate::loss::normalize).
            normalize(values: &Tensor<1>) -> Tensor<1>;
            /// See [`clip_global_norm`](crate::optim::clip_global_norm).
            clip_global_norm(gradient: &Tensor<1>, max_norm: f64) -> (Tensor<1>, Tensor<1>);
            /// The parameters and both moments after a step of Adam.
            adam_step(
                step: AdamStep, parameters: &Tensor<1>, gradient: &Tensor<1>, moments: [Option<&Tensor<1>>; 2]
            ) -> [Tensor<1>; 3];
            /// The tensor whose consecutive slices are `parts`. Nothing is copied.
            join_slices(parts: &[Tensor<1>]) -> Tensor<1>;
            /// A copy of the elements of a tensor in the memory of the host.
            copy_to_host(tensor: &Tensor<1>) -> Vec<f32>;
        }
    };
}
pub(super) use for_each_operation;

macro_rules! table {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $kind:ty),*) -> $output:ty;)*) => {
        /// The kernels of one backend. A kernel returns `None` for tensors that it does not support: of another
        /// backend, or of a float type that it was not written for.
        pub(super) struct Table {
            $($(#[$doc])* pub $name: Option<fn($($kind),*) -> Option<$output>>,)*
        }
    };
}

for_each_operation!(table);
