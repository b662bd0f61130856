//! PPO's clipped surrogate.

use std::array;

use burn::tensor::Tensor;

use super::{
    primitive::{Primitive, Stored, by_float_type, vector},
    rows::Rows,
};
use crate::kernel::{
    ClippedSurrogate,
    formula::{self, Dual},
    host::{Real, vectorised},
};

/// Computes [`ClippedSurrogate`] from the current log-probabilities, the old ones, and the advantages, of shape `[M]`
/// each. Beyond a log-ratio of `limit`, ratios follow the tangent of the exponential.
pub fn clipped_surrogate(
    [new, old, advantages]: [&Tensor<1>; 3],
    bounds: [f64; 2],
    limit: f64,
) -> Option<ClippedSurrogate> {
    let log_probs = Primitive::of(new.clone())?;
    let new = log_probs.values();
    let old = Primitive::of(old.clone())?.values();
    let advantages = Primitive::of(advantages.clone())?.values();
    by_float_type!(new.dtype(), T => {
        let inputs = [T::elements(&new), T::elements(&old), T::elements(&advantages)];
        let mut outputs = array::from_fn(|_| vec![0.0; inputs[0].len()]);
        evaluate(&mut outputs, inputs, bounds.map(T::of), limit);
        let [losses, derivatives, kl_estimates, clipped] = outputs;
        ClippedSurrogate {
            loss: Rows { values: losses, derivatives: vec![derivatives] }.record(vec![log_probs]),
            approx_kl: vector(kl_estimates),
            clipped: vector(clipped),
        }
    })
}

vectorised! {
    /// Computes, for each sample, the loss, its derivative with respect to the log-probability, the estimate of the KL
    /// divergence, and whether the ratio is outside the interval.
    fn evaluate<'a, T>(outputs: &'a mut [Vec<T>; 4], inputs: [&'a [T]; 3], bounds: [T; 2], limit: f64) -> () {
        let [new, old, advantages] = inputs;
        let [losses, derivatives, kl_estimates, clipped] = outputs;
        let outputs = losses.iter_mut().zip(derivatives).zip(kl_estimates).zip(clipped);
        let inputs = new.iter().zip(old).zip(advantages);
        for ((((loss, derivative), kl_estimate), clipped), ((&new, &old), &advantage)) in outputs.zip(inputs) {
            let log_ratio = Dual::<T>::variable(new - old, 0);
            let ratio = formula::ratio(&log_ratio, limit);
            let surrogate = formula::clipped_surrogate(&ratio, &Dual::constant(advantage), bounds);
            *loss = surrogate.value;
            *derivative = surrogate.derivatives[0];
            *kl_estimate = formula::k3(&ratio, &log_ratio).value;
            *clipped = formula::outside(&ratio, bounds).value;
        }
    }
}
