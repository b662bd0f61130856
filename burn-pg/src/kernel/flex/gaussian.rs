//! Log-densities and entropies of diagonal Gaussians.

use burn::tensor::Tensor;

use super::{
    primitive::{Primitive, Stored, by_float_type},
    rows::Rows,
};
use crate::kernel::{
    HALF_LOG_TAU,
    host::{Real, vectorised},
};

/// `sum_k -z_k^2 / 2 - log sigma_k - log(2 pi) / 2` with `z = (a - mu) / sigma`, for one action in each row, which
/// carries no gradient. Where `-log sigma` is more than `limit`, `1 / sigma` is `exp(limit)`. All shapes `[B, K]`.
pub fn log_prob(mean: &Tensor<2>, log_std: &Tensor<2>, actions: &Tensor<2>, limit: f64) -> Option<Tensor<1>> {
    if actions.is_tracked() {
        return None;
    }
    let [_, width] = mean.dims();
    let (mean, log_std) = (Primitive::of(mean.clone())?, Primitive::of(log_std.clone())?);
    let (means, log_stds, actions) = (mean.values(), log_std.values(), Primitive::of(actions.clone())?.values());
    by_float_type!(means.dtype(), T => {
        let (means, log_stds, actions) = (T::numbers(&means), T::numbers(&log_stds), T::numbers(&actions));
        let limit = T::of(limit);
        let bounded = |&log_std: &T| if -log_std > limit { limit } else { -log_std };
        let mut mean_slopes: Vec<T> = log_stds.iter().map(bounded).collect();
        T::exp_all(&mut mean_slopes);
        let mut densities = vec![0.0; means.len()];
        let mut std_slopes = densities.clone();
        look_at_each(&mut densities, &mut mean_slopes, &mut std_slopes, means, log_stds, actions, limit);
        let values = densities.chunks_exact(width).map(|row| row.iter().fold(0.0, |sum, &x| sum + x)).collect();
        Rows { values, slopes: vec![mean_slopes, std_slopes] }.record(vec![mean, log_std])
    })
}

/// `sum_k log sigma_k + (1 + log(2 pi)) / 2`. Shape `[B, K]`.
pub fn entropy(log_std: &Tensor<2>) -> Option<Tensor<1>> {
    let [_, width] = log_std.dims();
    let log_std = Primitive::of(log_std.clone())?;
    let values = log_std.values();
    by_float_type!(values.dtype(), T => {
        let numbers = T::numbers(&values);
        let of_one = T::of(0.5 + HALF_LOG_TAU);
        let entropies = numbers.chunks_exact(width).map(|row| row.iter().fold(0.0, |sum, &x| sum + (x + of_one)));
        Rows { values: entropies.collect(), slopes: vec![vec![1.0; numbers.len()]] }.record(vec![log_std])
    })
}

vectorised! {
    /// Computes the log-densities of components, and their derivatives with respect to means and `log_stds`. On entry
    /// `mean_slopes` holds `1 / sigma`.
    fn look_at_each<'a, T>(
        densities: &'a mut [T],
        mean_slopes: &'a mut [T],
        std_slopes: &'a mut [T],
        means: &'a [T],
        log_stds: &'a [T],
        actions: &'a [T],
        limit: T,
    ) -> () {
        let constant = T::of(HALF_LOG_TAU);
        let results = densities.iter_mut().zip(mean_slopes).zip(std_slopes);
        for (((density, mean_slope), std_slope), ((&mean, &log_std), &action)) in
            results.zip(means.iter().zip(log_stds).zip(actions))
        {
            let inverse_std = *mean_slope;
            let z = (action - mean) * inverse_std;
            let square = z * z;
            *density = T::of(-0.5) * square - log_std - constant;
            *mean_slope = z * inverse_std;
            // Where `1 / sigma` is bounded, it does not depend on `log_std`.
            *std_slope = if -log_std > limit { -T::one() } else { square - T::one() };
        }
    }
}
