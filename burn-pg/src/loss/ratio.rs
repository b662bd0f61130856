//! Ratios of probabilities, from differences of log-probabilities.

use burn::tensor::{DType, Tensor};

use super::LossContext;

/// The ratios of the current policy to the one that acted, and their logarithms. Shape `[M]` each.
pub(super) fn of(context: &LossContext) -> (Tensor<1>, Tensor<1>) {
    let log_ratio = context.log_probs.clone() - context.old_log_probs.clone();
    (exp(log_ratio.clone()), log_ratio)
}

/// `exp(x)`; beyond [`tangent_point`] its tangent there.
///
/// An exponential that overflows makes the loss infinite and, once an infinite gradient meets a 0 further down, the
/// weights NaN. The tangent stays finite and keeps pushing the ratio back. The branch is chosen before the exponential is
/// taken: behind it `0 * inf` would be NaN again. NaN stays NaN, so that it is found and not trained on.
pub(super) fn exp(x: Tensor<1>) -> Tensor<1> {
    let limit = tangent_point(x.dtype());
    let beyond = x.clone().greater_elem(limit);
    let excess = x.clone().sub_scalar(limit).mask_fill(beyond.clone().bool_not(), 0.0);
    x.mask_fill(beyond, limit).exp() + excess.mul_scalar(limit.exp())
}

/// Where [`exp`] leaves the exponential: far beyond any ratio that training survives, and low enough that the square of
/// the result, as in the norm of a gradient, is finite.
pub(super) fn tangent_point(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => 350.0,
        DType::F16 => 5.0,
        _ => 40.0,
    }
}

/// J. Schulman's k3, `mean(r - 1 - log r)`: an estimate of KL(p || q) from actions of p with the ratios `r = q / p`,
/// unbiased and never negative. Shape `[1]`.
pub(super) fn k3(ratio: Tensor<1>, log_ratio: Tensor<1>) -> Tensor<1> {
    (ratio.sub_scalar(1.0) - log_ratio).mean()
}
