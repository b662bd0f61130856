//! The formulas of loss terms.

use burn::tensor::DType;

use super::Number;

/// The policy gradient's `-log pi A`.
#[inline(always)]
pub(crate) fn policy_gradient<N: Number>(log_prob: &N, advantage: &N) -> N {
    -(log_prob.clone() * advantage.clone())
}

/// The surrogate of trust regions, `-r A`.
#[inline(always)]
pub(crate) fn surrogate<N: Number>(ratio: &N, advantage: &N) -> N {
    -(ratio.clone() * advantage.clone())
}

/// The surrogate with a penalty on the KL divergence, `beta k3 - r A`.
#[inline(always)]
pub(crate) fn kl_penalty<N: Number>(ratio: &N, kl: &N, advantage: &N, weight: N::Scalar) -> N {
    kl.clone().times(weight) - ratio.clone() * advantage.clone()
}

/// Half the square of a difference, `d^2 / 2`.
#[inline(always)]
pub(crate) fn half_square<N: Number>(difference: &N) -> N {
    (difference.clone() * difference.clone()).times(N::scalar(0.5))
}

/// Returns the log-ratio beyond which [`ratio`] follows the tangent of the exponential. Ratios in useful training are
/// far smaller. The norm of a gradient needs the square of the exponential, which is still finite at this point.
pub(crate) fn tangent_point(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => 350.0,
        DType::F16 => 5.0,
        _ => 40.0,
    }
}

/// Returns `exp(x)` up to `limit`, and beyond it the tangent of the exponential at `limit`.
///
/// An overflow would make the loss infinite, and the weights NaN once an infinite gradient is multiplied by 0. The
/// tangent stays finite, and its gradient still moves the ratio back. The branch is chosen before the exponential is
/// computed. NaN stays NaN, so that it is reported as an error.
#[inline(always)]
pub(crate) fn ratio<N: Number>(log_ratio: &N, limit: f64) -> N {
    let (bound, derivative) = (N::scalar(limit), N::scalar(limit.exp()));
    let beyond = log_ratio.above(bound);
    let excess = log_ratio.clone().plus(-bound);
    let excess = excess.replaced(N::not(beyond.clone()), N::scalar(0.0)).times(derivative);
    log_ratio.clone().replaced(beyond, bound).exp() + excess
}

/// `r - 1 - log r`, J. Schulman's k3 estimator of the KL divergence.
#[inline(always)]
pub(crate) fn k3<N: Number>(ratio: &N, log_ratio: &N) -> N {
    ratio.clone().plus(N::scalar(-1.0)) - log_ratio.clone()
}

/// PPO's clipped surrogate, `-min(r A, clip(r, low, high) A)`, where r is at most `most` if A is negative. Where the ratio is
/// clipped, the derivative is exactly 0.
#[inline(always)]
pub(crate) fn clipped_surrogate<N: Number>(ratio: &N, advantage: &N, [low, high, most]: [N::Scalar; 3]) -> N {
    let zero = N::scalar(0.0);
    let clipped_above = N::both(ratio.above(high), N::not(advantage.below(zero)));
    let clipped_below = N::both(ratio.below(low), N::not(advantage.above(zero)));
    let beyond = N::both(ratio.above(most), advantage.below(zero));
    let trusted = ratio.clone().replaced(clipped_above, high).replaced(clipped_below, low).replaced(beyond, most);
    -(trusted * advantage.clone())
}

/// Returns 1 where a ratio is outside the interval, 0 elsewhere.
#[inline(always)]
pub(crate) fn outside<N: Number>(ratio: &N, [low, high, _]: [N::Scalar; 3]) -> N {
    ratio.flag(N::either(ratio.above(high), ratio.below(low)))
}

/// `(V - R)^2 / 2`
#[inline(always)]
pub(crate) fn value_error<N: Number>(value: &N, target: &N) -> N {
    half_square(&(value.clone() - target.clone()))
}

/// `V_old + clip(V - V_old, -range, range)`
#[inline(always)]
pub(crate) fn clipped_value<N: Number>(value: &N, old: &N, range: N::Scalar) -> N {
    let distance = value.clone() - old.clone();
    let (above, below) = (distance.above(range), distance.below(-range));
    distance.replaced(above, range).replaced(below, -range) + old.clone()
}
