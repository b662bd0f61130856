//! Losses of the samples of a minibatch, and sums over them.

use burn::tensor::Tensor;

use super::{
    formula::{self, Number, tangent_point},
    operations::{ClippedSurrogate, ValueLimit},
    table,
};

/// Computes PPO's clipped surrogate from the current log-probabilities, the old ones, and the advantages, of shape
/// `[M]` each. `bounds` are the lowest and the highest ratio that are trusted, and the highest where
/// the advantage is negative.
pub(crate) fn clipped_surrogate(samples: [&Tensor<1>; 3], bounds: [f64; 3]) -> ClippedSurrogate {
    let limit = tangent_point(samples[0].dtype());
    table::clipped_surrogate_kernel(samples, bounds, limit).unwrap_or_else(|| {
        let [new, old, advantages] = samples;
        let log_ratio = new.clone() - old.clone();
        let ratio = formula::ratio(&log_ratio, limit);
        let loss = formula::clipped_surrogate(&ratio, advantages, bounds);
        let (ratio, log_ratio) = (ratio.inner(), log_ratio.inner());
        ClippedSurrogate { loss, approx_kl: formula::k3(&ratio, &log_ratio), clipped: formula::outside(&ratio, bounds) }
    })
}

/// Computes half the squared error of values from returns, with a limit on how far values may move. Shape `[M]` each.
pub(crate) fn value_error(values: &Tensor<1>, returns: &Tensor<1>, limit: &ValueLimit) -> Tensor<1> {
    table::value_error_kernel(values, returns, limit).unwrap_or_else(|| match limit {
        ValueLimit::None => formula::value_error(values, returns),
        ValueLimit::Clipped(old, range) => formula::value_error(&formula::clipped_value(values, old, *range), returns),
        ValueLimit::Larger(old, range) => {
            let limited = formula::value_error(&formula::clipped_value(values, old, *range), returns);
            formula::value_error(values, returns).larger(limited)
        }
    })
}

/// Computes `sum_k c_k sum_i w_i l_ki / mass` (shape `[1]`) from losses `l_k` of shape `[M]`, their positive
/// coefficients `c_k`, and weights w of shape `[M]` (all 1 if there are none).
pub(crate) fn weighted_total(summands: &[(f64, Tensor<1>)], weights: Option<&Tensor<1>>, mass: f64) -> Tensor<1> {
    table::weighted_total_kernel(summands, weights, mass).unwrap_or_else(|| {
        let weighted = summands.iter().map(|(weight, losses)| losses.clone().mul_scalar(*weight));
        divided_sum(weighted.reduce(Tensor::add).expect("an objective has a term"), weights, mass)
    })
}

/// Computes `sum_i w_i x_i / mass` (shape `[1]`) of each vector x of shape `[M]`, without gradient.
pub(crate) fn weighted_sums(vectors: &[Tensor<1>], weights: Option<&Tensor<1>>, mass: f64) -> Vec<Tensor<1>> {
    table::weighted_sums_kernel(vectors, weights, mass)
        .unwrap_or_else(|| vectors.iter().map(|values| divided_sum(values.clone(), weights, mass)).collect())
}

fn divided_sum(values: Tensor<1>, weights: Option<&Tensor<1>>, mass: f64) -> Tensor<1> {
    let weighted = match weights {
        None => values,
        Some(weights) => values * weights.clone(),
    };
    // A product instead of a division, because Burn divides gradients by a scalar in single precision.
    weighted.sum().mul_scalar(1.0 / mass)
}
