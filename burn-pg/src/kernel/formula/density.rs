//! The formulas of distributions, for one component of an action.

use std::f64::consts::LN_2;

use super::Number;

/// `log(2 pi) / 2`.
pub(crate) const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_8;

/// The log-density of a normal distribution, `-z^2 / 2 - log sigma - log(2 pi) / 2` with `z = (a - mu) / sigma`.
/// `1 / sigma` is at most `exp(limit)`: if it were infinite, an action equal to the mean would give NaN.
#[inline(always)]
pub(crate) fn log_density<N: Number>(action: &N, mean: &N, log_std: &N, limit: N::Scalar) -> N {
    let z = (action.clone() - mean.clone()) * inverse_std(log_std, limit);
    let square = (z.clone() * z).times(N::scalar(-0.5));
    (square - log_std.clone()).plus(N::scalar(-HALF_LOG_TAU))
}

/// `1 / sigma`, at most `exp(limit)`.
#[inline(always)]
pub(crate) fn inverse_std<N: Number>(log_std: &N, limit: N::Scalar) -> N {
    let negative = -log_std.clone();
    let beyond = negative.above(limit);
    negative.replaced(beyond, limit).exp()
}

/// The entropy of a normal distribution, `log sigma + (1 + log(2 pi)) / 2`.
#[inline(always)]
pub(crate) fn normal_entropy<N: Number>(log_std: &N) -> N {
    log_std.clone().plus(N::scalar(0.5 + HALF_LOG_TAU))
}

/// The logarithm of the derivative of tanh, `log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2 u))`.
#[inline(always)]
pub(crate) fn tanh_log_derivative<N: Number>(u: &N) -> N {
    // -softplus(-2 u) = log sigmoid(2 u)
    let log_sigmoid = u.clone().times(N::scalar(2.0)).log_sigmoid();
    (log_sigmoid - u.clone()).plus(N::scalar(LN_2)).times(N::scalar(2.0))
}

/// The log-probability of a component that is true with probability `sigmoid(logit)`. `sign` is 1 if it is true, and
/// -1 if it is false.
#[inline(always)]
pub(crate) fn bernoulli_log_prob<N: Number>(logit: &N, sign: &N) -> N {
    (logit.clone() * sign.clone()).log_sigmoid()
}

/// The entropy of a component that is true with probability `sigmoid(logit)`. (Probabilities are computed from
/// log-probabilities, because not every backend computes the sigmoid in the precision of its argument.)
#[inline(always)]
pub(crate) fn bernoulli_entropy<N: Number>(logit: &N) -> N {
    let (when_true, when_false) = (logit.clone().log_sigmoid(), (-logit.clone()).log_sigmoid());
    -(when_true.clone().exp() * when_true + when_false.clone().exp() * when_false)
}
