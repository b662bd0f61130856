//! Log-densities of diagonal Gaussians, with derivatives.

use super::vector::vectorised;
use crate::kernel::formula::{self, Dual};

vectorised! {
    /// Computes the [log-densities](formula::log_density) of components, and their derivatives with respect to means
    /// and logarithms of standard deviations. `inputs` are actions, means and logarithms of standard deviations.
    pub(crate) fn log_densities<'a, T>(
        densities: &'a mut [T],
        derivatives: [&'a mut [T]; 2],
        inputs: [&'a [T]; 3],
        limit: T,
    ) -> () {
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
