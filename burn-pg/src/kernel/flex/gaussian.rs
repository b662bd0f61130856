//! Log-densities and entropies of diagonal Gaussians.

use burn::tensor::Tensor;

use super::{
    primitive::{Primitive, Stored, by_float_type},
    rows::Rows,
};
use crate::kernel::{
    formula::{self, Dual, HALF_LOG_TAU},
    host::{Real, vectorised},
};

/// The sum of the [`log_density`](formula::log_density) of the components of each row. Shapes `[B, K]`. `None` if
/// `actions` carry gradients.
pub fn log_prob(mean: &Tensor<2>, log_std: &Tensor<2>, actions: &Tensor<2>, limit: f64) -> Option<Tensor<1>> {
    if actions.is_tracked() {
        return None;
    }
    let [_, width] = mean.dims();
    let (mean, log_std) = (Primitive::of(mean.clone())?, Primitive::of(log_std.clone())?);
    let (means, log_stds, actions) = (mean.values(), log_std.values(), Primitive::of(actions.clone())?.values());
    by_float_type!(means.dtype(), T => {
        let inputs = [T::elements(&actions), T::elements(&means), T::elements(&log_stds)];
        let zeros = || vec![0.0; inputs[0].len()];
        let (mut densities, mut derivatives) = (zeros(), [zeros(), zeros()]);
        evaluate(&mut densities, &mut derivatives, inputs, T::of(limit));
        let values = densities.chunks_exact(width).map(|row| row.iter().fold(0.0, |sum, &x| sum + x)).collect();
        Rows { values, derivatives: derivatives.into() }.record(vec![mean, log_std])
    })
}

/// `sum_k log sigma_k + (1 + log(2 pi)) / 2`. Shape `[B, K]`.
pub fn entropy(log_std: &Tensor<2>) -> Option<Tensor<1>> {
    let [_, width] = log_std.dims();
    let log_std = Primitive::of(log_std.clone())?;
    let values = log_std.values();
    by_float_type!(values.dtype(), T => {
        let log_stds = T::elements(&values);
        let of_unit_std = T::of(0.5 + HALF_LOG_TAU);
        let entropies = log_stds.chunks_exact(width).map(|row| row.iter().fold(0.0, |sum, &x| sum + (x + of_unit_std)));
        Rows { values: entropies.collect(), derivatives: vec![vec![1.0; log_stds.len()]] }.record(vec![log_std])
    })
}

vectorised! {
    /// Computes the log-densities of components, and their derivatives with respect to means and `log_stds`.
    fn evaluate<'a, T>(densities: &'a mut [T], derivatives: &'a mut [Vec<T>; 2], inputs: [&'a [T]; 3], limit: T) -> () {
        let [actions, means, log_stds] = inputs;
        let [mean_derivatives, std_derivatives] = derivatives;
        let results = densities.iter_mut().zip(mean_derivatives).zip(std_derivatives);
        for (((density, mean_derivative), std_derivative), ((&action, &mean), &log_std)) in
            results.zip(actions.iter().zip(means).zip(log_stds))
        {
            let (mean, log_std) = (Dual::<T, 2>::variable(mean, 0), Dual::variable(log_std, 1));
            let result = formula::log_density(&Dual::constant(action), &mean, &log_std, limit);
            *density = result.value;
            [*mean_derivative, *std_derivative] = result.derivatives;
        }
    }
}
