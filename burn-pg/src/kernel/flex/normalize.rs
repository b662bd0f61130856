//! Normalisation to mean 0 and standard deviation 1.

use burn::tensor::Tensor;

use super::primitive::{Primitive, Stored, by_float_type, vector};
use crate::kernel::host;

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
        host::normalize(&mut values);
        let normalized = vector(values);
        if primitive.is_plain() { normalized } else { Tensor::from_inner(normalized) }
    })
}
