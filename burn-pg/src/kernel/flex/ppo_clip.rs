//! PPO's clipped surrogate.

use burn::tensor::Tensor;

use super::{
    primitive::{Primitive, Stored, by_float_type, metric},
    rows::Rows,
};
use crate::kernel::{
    ClippedSurrogate,
    host::{mean, vectorised},
};

/// [`ClippedSurrogate`] of tensors of shape `[M]`, for ratios that leave the exponential for its tangent at `limit`.
pub fn clipped_surrogate(
    log_probs: &Tensor<1>,
    old_log_probs: &Tensor<1>,
    advantages: &Tensor<1>,
    [low, high]: [f64; 2],
    limit: f64,
) -> Option<ClippedSurrogate> {
    let log_probs = Primitive::of(log_probs.clone())?;
    let new = log_probs.values();
    let old = Primitive::of(old_log_probs.clone())?.values();
    let advantages = Primitive::of(advantages.clone())?.values();
    by_float_type!(new.dtype(), T => {
        let samples = Samples::<T>::new(T::numbers(&new), T::numbers(&old), T::numbers(&advantages), [low, high, limit]);
        ClippedSurrogate {
            approx_kl: metric(mean(&samples.divergences)),
            clip_fraction: metric(mean(&samples.clipped)),
            loss: Rows { values: vec![mean(&samples.losses)], slopes: vec![samples.slopes] }.record(vec![log_probs]),
        }
    })
}

/// What the samples, M of them, come to one by one.
struct Samples<T> {
    losses: Vec<T>,
    /// Of the mean of the losses, in the log-probabilities.
    slopes: Vec<T>,
    /// `r - 1 - log r`
    divergences: Vec<T>,
    /// 1 if the ratio is beyond a bound, 0 otherwise.
    clipped: Vec<T>,
}

impl<T: Stored> Samples<T> {
    fn new(new: &[T], old: &[T], advantages: &[T], [low, high, limit]: [f64; 3]) -> Self {
        let log_ratios: Vec<T> = new.iter().zip(old).map(|(&new, &old)| new - old).collect();
        let limited = |&ratio: &T| if ratio > T::of(limit) { T::of(limit) } else { ratio };
        let mut exps: Vec<T> = log_ratios.iter().map(limited).collect();
        T::exp_all(&mut exps);
        let zeros = || vec![T::zero(); exps.len()];
        let mut samples = Self { losses: zeros(), slopes: zeros(), divergences: zeros(), clipped: zeros() };
        let numbers = [low, high, limit, limit.exp(), 1.0 / exps.len() as f64].map(T::of);
        look_at_each(&mut samples, &log_ratios, &exps, advantages, numbers);
        samples
    }
}

vectorised! {
    fn look_at_each<'a, T>(
        samples: &'a mut Samples<T>,
        log_ratios: &'a [T],
        exps: &'a [T],
        advantages: &'a [T],
        numbers: [T; 5],
    ) -> () {
        let [low, high, limit, slope_beyond, share] = numbers;
        let (zero, one) = (T::zero(), T::one());
        let results = samples.losses.iter_mut().zip(&mut samples.slopes).zip(&mut samples.divergences);
        let results = results.zip(&mut samples.clipped);
        for ((((loss, slope), divergence), clipped), ((&log_ratio, &exp), &advantage)) in
            results.zip(log_ratios.iter().zip(exps).zip(advantages))
        {
            let excess = if log_ratio > limit { log_ratio - limit } else { zero };
            let ratio = excess.mul_add(slope_beyond, exp);
            let (above, below) = (ratio > high, ratio < low);
            let flat_above = above && advantage >= zero;
            let flat_below = below && advantage <= zero;
            let taken = if flat_above { high } else { ratio };
            let taken = if flat_below { low } else { taken };
            *loss = -(taken * advantage);
            *slope = if flat_above || flat_below { zero } else { -(exp * advantage * share) };
            *divergence = ratio - one - log_ratio;
            *clipped = if above || below { one } else { zero };
        }
    }
}
