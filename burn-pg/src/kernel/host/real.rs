//! The two float types that kernels are written for.

use std::{fmt::Debug, ops::AddAssign};

use num_traits::Float;

use super::{pool::Pooled, tile::Tiled, vector};

/// A float type: `f32`, which is what kernels are made fast for, or `f64`, in which they are checked.
pub(crate) trait Real: Float + Tiled + Pooled + AddAssign + Debug + Send + Sync + 'static {
    /// The hyperbolic tangent of each number.
    fn tanh_all(values: &mut [Self]);

    /// The exponential of each number.
    fn exp_all(values: &mut [Self]);

    /// The exponential of one number, as [`exp_all`](Self::exp_all) has it, inlined into the caller.
    fn exp_inline(self) -> Self;

    /// A number of the program text.
    #[inline(always)]
    fn of(value: f64) -> Self {
        Self::from(value).expect("every number has a nearest float")
    }
}

impl Real for f32 {
    fn tanh_all(values: &mut [Self]) {
        vector::tanh(values);
    }

    fn exp_all(values: &mut [Self]) {
        vector::exp(values);
    }

    #[inline(always)]
    fn exp_inline(self) -> Self {
        vector::exp_of(self)
    }
}

impl Real for f64 {
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
