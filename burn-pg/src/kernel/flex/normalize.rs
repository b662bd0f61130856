//! Normalisation to mean 0 and standard deviation 1.

use burn::tensor::Tensor;

use super::primitive::{Primitive, Stored, by_float_type, vector};
use crate::kernel::host::{dot, mean, vectorised};

/// Returns `(x - mean) / (standard deviation + 1e-8)`, with Bessel's correction, for two or more values that carry no
/// gradient.
pub fn normalize(numbers: &Tensor<1>) -> Option<Tensor<1>> {
    if numbers.is_tracked() {
        return None;
    }
    let primitive = Primitive::of(numbers.clone())?;
    let values = primitive.values();
    by_float_type!(values.dtype(), T => {
        let mut numbers = T::numbers(&values).to_vec();
        let mean = mean(&numbers);
        shift_and_scale(&mut numbers, mean);
        let normalized = vector(numbers);
        if primitive.is_plain() { normalized } else { Tensor::from_inner(normalized) }
    })
}

vectorised! {
    /// Subtracts the mean and divides by the standard deviation plus 1e-8.
    fn shift_and_scale<'a, T>(numbers: &'a mut [T], mean: T) -> () {
        for number in &mut *numbers {
            *number = *number - mean;
        }
        let variance = dot(numbers, numbers) / T::of(numbers.len() as f64 - 1.0);
        let divisor = variance.sqrt() + T::of(1e-8);
        for number in numbers {
            *number = *number / divisor;
        }
    }
}
