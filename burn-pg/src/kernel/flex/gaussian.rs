//! Log-densities and entropies of diagonal Gaussians.

use burn::tensor::Tensor;

use super::{
    primitive::{Primitive, Stored, by_float_type},
    rows::Rows,
};
use crate::kernel::{
    formula::{self, Dual},
    host::{Real, log_densities},
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
        let (mut densities, mut of_mean, mut of_log_std) = (zeros(), zeros(), zeros());
        log_densities(&mut densities, [&mut of_mean, &mut of_log_std], inputs, T::of(limit));
        let values = densities.chunks_exact(width).map(|row| row.iter().fold(0.0, |sum, &x| sum + x)).collect();
        Rows { values, derivatives: vec![of_mean, of_log_std] }.record(vec![mean, log_std])
    })
}

/// `sum_k log sigma_k + (1 + log(2 pi)) / 2`. Shape `[B, K]`.
pub fn entropy(log_std: &Tensor<2>) -> Option<Tensor<1>> {
    let [_, width] = log_std.dims();
    let log_std = Primitive::of(log_std.clone())?;
    let values = log_std.values();
    by_float_type!(values.dtype(), T => {
        let log_stds = T::elements(&values);
        let of_component = |&log_std| formula::normal_entropy(&Dual::<T, 0>::constant(log_std)).value;
        let entropies = log_stds.chunks_exact(width).map(|row| row.iter().map(of_component).fold(0.0, |sum, x| sum + x));
        Rows { values: entropies.collect(), derivatives: vec![vec![1.0; log_stds.len()]] }.record(vec![log_std])
    })
}
