//! Normalisation to mean 0 and standard deviation 1.

use burn::tensor::Tensor;

use super::primitive::{Primitive, Stored, by_float_type, vector};
use crate::kernel::host::{dot, mean, vectorised};

/// Returns `(x - mean) / (standard deviation + 1e-8)`, with Bessel's correction, for two or more values. `None` if they
/// carry gradients.
pub fn normalize(values: &Tensor<1>) -> Option<Tensor<1>> {
    if values.is_tracked() {
        return None;
    }
    let primitive = Primitive::of(values.clone())?;
    let stored = primitive.values();
    by_float_type!(stored.dtype(), T => {
        let mut values = T::elements(&stored).to_vec();
        let mean = mean(&values);
        shift_and_scale(&mut values, mean);
        let normalized = vector(values);
        if primitive.is_plain() { normalized } else { Tensor::from_inner(normalized) }
    })
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
