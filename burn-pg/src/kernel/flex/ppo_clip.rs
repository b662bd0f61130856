//! PPO's clipped surrogate.

use burn::tensor::Tensor;

use super::{
    primitive::{Primitive, Stored, by_float_type, plain},
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
        let zeros = || vec![0.0; T::numbers(&new).len()];
        let mut samples = Samples { losses: zeros(), derivatives: zeros(), divergences: zeros(), clipped: zeros() };
        let inputs = [T::numbers(&new), T::numbers(&old), T::numbers(&advantages)];
        evaluate(&mut samples, inputs, bounds.map(T::of), limit);
        let Samples { losses, derivatives, divergences, clipped } = samples;
        let metric = |numbers: Vec<T>| {
            let len = numbers.len();
            plain(T::tensor(numbers, &[len]))
        };
        ClippedSurrogate {
            loss: Rows { values: losses, slopes: vec![derivatives] }.record(vec![log_probs]),
            approx_kl: metric(divergences),
            clipped: metric(clipped),
        }
    })
}

/// The results of each of the M samples.
struct Samples<T> {
    losses: Vec<T>,
    /// Derivatives of the losses with respect to the log-probabilities.
    derivatives: Vec<T>,
    divergences: Vec<T>,
    clipped: Vec<T>,
}

vectorised! {
    fn evaluate<'a, T>(samples: &'a mut Samples<T>, inputs: [&'a [T]; 3], bounds: [T; 2], limit: f64) -> () {
        let [new, old, advantages] = inputs;
        let outputs = samples.losses.iter_mut().zip(&mut samples.derivatives).zip(&mut samples.divergences);
        let inputs = new.iter().zip(old).zip(advantages);
        for ((((loss, derivative), divergence), clipped), ((&new, &old), &advantage)) in
            outputs.zip(&mut samples.clipped).zip(inputs)
        {
            let log_ratio = Dual::<T>::variable(new - old, 0);
            let ratio = formula::ratio(&log_ratio, limit);
            let surrogate = formula::clipped_surrogate(&ratio, &Dual::constant(advantage), bounds);
            *loss = surrogate.value;
            *derivative = surrogate.derivatives[0];
            *divergence = formula::k3(&ratio, &log_ratio).value;
            *clipped = formula::outside(&ratio, bounds).value;
        }
    }
}
