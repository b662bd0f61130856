//! Normalisation to mean 0 and standard deviation 1.

use super::{
    real::Real,
    reduce::{dot, mean},
    vector::vectorised,
};

/// Replaces two or more values by `(x - mean) / (standard deviation + 1e-8)`, with Bessel's correction.
pub(crate) fn normalize<T: Real>(values: &mut [T]) {
    let mean = mean(values);
    shift_and_scale(values, mean);
}

vectorised! {
    /// Subtracts the mean and divides by the standard deviation plus 1e-8.
    fn shift_and_scale<'a, T>(values: &'a mut [T], mean: T) -> () {
        for value in &mut *values {
            *value = *value - mean;
        }
        let variance = dot(values, values) / T::of(values.len() as f64 - 1.0);
        let divisor = variance.sqrt() + T::of(1e-8);
        for value in values {
            *value = *value / divisor;
        }
    }
}
