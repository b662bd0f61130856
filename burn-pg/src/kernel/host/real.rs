//! The two float types that kernels are written for.

use std::{fmt::Debug, ops::AddAssign};

use num_traits::Float;

use super::vector;

/// A float type: `f32`, which is what kernels are made fast for, or `f64`, in which they are checked.
pub(crate) trait Real: Float + AddAssign + Debug + Send + Sync + 'static {
    /// The hyperbolic tangent of each number.
    fn tanh_all(values: &mut [Self]);
}

impl Real for f32 {
    fn tanh_all(values: &mut [Self]) {
        vector::tanh(values);
    }
}

impl Real for f64 {
    fn tanh_all(values: &mut [Self]) {
        values.iter_mut().for_each(|x| *x = x.tanh());
    }
}
