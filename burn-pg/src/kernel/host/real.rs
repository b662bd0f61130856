//! The two float types that kernels are written for.

use std::{fmt::Debug, ops::AddAssign};

use burn::tensor::DType;
use num_traits::Float;

use super::tile::Tiled;

/// A float type of kernels: `f32`, for which they are optimised, or `f64`, in which tests check them.
pub trait Real: Float + Tiled + AddAssign + Default + Debug + Send + Sync + 'static {
    /// The type of tensors with such elements.
    const DTYPE: DType;

    /// Replaces each value by its hyperbolic tangent.
    fn tanh_all(values: &mut [Self]);

    /// Replaces each value by its exponential.
    fn exp_all(values: &mut [Self]);

    /// Returns the exponential of one value, as computed by [`exp_all`](Self::exp_all). Inlined into the caller.
    fn exp_inline(self) -> Self;

    /// Converts the value to double precision.
    fn double(self) -> f64 {
        self.to_f64().expect("every float type converts to f64")
    }

    /// Converts a value from double precision.
    #[inline(always)]
    fn of(value: f64) -> Self {
        Self::from(value).expect("every f64 converts to a float type")
    }
}

impl Real for f64 {
    const DTYPE: DType = DType::F64;

    fn tanh_all(values: &mut [Self]) {
        for x in values {
            *x = x.tanh();
        }
    }

    fn exp_all(values: &mut [Self]) {
        for x in values {
            *x = x.exp();
        }
    }

    #[inline(always)]
    fn exp_inline(self) -> Self {
        self.exp()
    }
}
