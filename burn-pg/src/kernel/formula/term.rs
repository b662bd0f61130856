//! Loss terms for one sample: the loss, and the numbers to report.

use super::{
    Number, clipped_surrogate, clipped_value, half_square, k3, kl_penalty, outside, policy_gradient, ratio, surrogate,
    value_error,
};

/// Inputs: log-probability, advantage.
#[inline(always)]
pub(crate) fn policy_gradient_term<N: Number>([log_prob, advantage]: &[N; 2]) -> [N; 1] {
    [policy_gradient(log_prob, advantage)]
}

/// Inputs: log-probability, old one, advantage. Reports k3. Beyond a log-ratio of `limit`, ratios follow the tangent of the
/// exponential.
#[inline(always)]
pub(crate) fn surrogate_term<N: Number>([log_prob, old, advantage]: &[N; 3], limit: f64) -> [N; 2] {
    let log_ratio = log_prob.clone() - old.clone();
    let ratio = ratio(&log_ratio, limit);
    [surrogate(&ratio, advantage), k3(&ratio, &log_ratio)]
}

/// As [`surrogate_term`], clipped. Reports k3, and 1 where the ratio is outside the bounds.
#[inline(always)]
pub(crate) fn clipped_surrogate_term<N: Number>(
    [log_prob, old, advantage]: &[N; 3],
    limit: f64,
    bounds: [N::Scalar; 3],
) -> [N; 3] {
    let log_ratio = log_prob.clone() - old.clone();
    let ratio = ratio(&log_ratio, limit);
    [clipped_surrogate(&ratio, advantage, bounds), k3(&ratio, &log_ratio), outside(&ratio, bounds)]
}

/// As [`surrogate_term`], with a penalty. Reports k3.
#[inline(always)]
pub(crate) fn kl_penalty_term<N: Number>([log_prob, old, advantage]: &[N; 3], limit: f64, weight: N::Scalar) -> [N; 2] {
    let log_ratio = log_prob.clone() - old.clone();
    let ratio = ratio(&log_ratio, limit);
    let kl = k3(&ratio, &log_ratio);
    [kl_penalty(&ratio, &kl, advantage, weight), kl]
}

/// Returns the difference of log-probabilities under policy and reference, and k3 of the KL divergence from the reference.
#[inline(always)]
fn to_reference<N: Number>([log_prob, reference]: &[N; 2], limit: f64) -> [N; 2] {
    let difference = log_prob.clone() - reference.clone();
    let negative = -difference.clone();
    let kl = k3(&ratio(&negative, limit), &negative);
    [difference, kl]
}

/// Inputs: log-probability, that under a reference. The estimator k1 of the KL divergence. Reports k3.
#[inline(always)]
pub(crate) fn reference_k1_term<N: Number>(inputs: &[N; 2], limit: f64) -> [N; 2] {
    to_reference(inputs, limit)
}

/// As [`reference_k1_term`], with the estimator k2.
#[inline(always)]
pub(crate) fn reference_k2_term<N: Number>(inputs: &[N; 2], limit: f64) -> [N; 2] {
    let [difference, kl] = to_reference(inputs, limit);
    [half_square(&difference), kl]
}

/// As [`reference_k1_term`], with the estimator k3.
#[inline(always)]
pub(crate) fn reference_k3_term<N: Number>(inputs: &[N; 2], limit: f64) -> [N; 2] {
    let [_, kl] = to_reference(inputs, limit);
    [kl.clone(), kl]
}

/// Inputs: value, target.
#[inline(always)]
pub(crate) fn value_term<N: Number>([value, target]: &[N; 2]) -> [N; 1] {
    [value_error(value, target)]
}

/// Inputs: value, target, old value.
#[inline(always)]
pub(crate) fn clipped_value_term<N: Number>([value, target, old]: &[N; 3], range: N::Scalar) -> [N; 1] {
    [value_error(&clipped_value(value, old, range), target)]
}

/// Inputs: value, target, old value.
#[inline(always)]
pub(crate) fn larger_value_term<N: Number>([value, target, old]: &[N; 3], range: N::Scalar) -> [N; 1] {
    let clipped = value_error(&clipped_value(value, old, range), target);
    [value_error(value, target).larger(clipped)]
}

/// Input: entropy. Reports it.
#[inline(always)]
pub(crate) fn entropy_term<N: Number>([entropy]: &[N; 1]) -> [N; 2] {
    [-entropy.clone(), entropy.clone()]
}
