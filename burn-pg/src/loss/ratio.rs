//! Ratios of probabilities, from differences of log-probabilities.

use burn::tensor::Tensor;

use super::LossContext;
use crate::kernel::formula::{ratio, tangent_point};

/// Returns the probability ratios of the current policy to the one that acted, and their logarithms. Shape `[M]` each.
pub(super) fn of(context: &LossContext<'_>) -> (Tensor<1>, Tensor<1>) {
    let log_ratio = context.log_probs() - context.old_log_probs();
    (exp(&log_ratio), log_ratio)
}

/// Returns `exp(x)`, and beyond [`tangent_point`] the tangent there, so that no ratio overflows.
pub(super) fn exp(x: &Tensor<1>) -> Tensor<1> {
    ratio(x, tangent_point(x.dtype()))
}

/// J. Schulman's k3, `r - 1 - log r`, for each sample: an estimate of KL(p || q) from actions of p with the ratios
/// `r = q / p`, unbiased and never negative. Shape `[M]`.
pub(super) use crate::kernel::formula::k3;
