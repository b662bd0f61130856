//! The arithmetic that formulas are written in, and its form for tensors.

use std::ops::{Add, Div, Mul, Neg, Sub};

use burn::tensor::{Bool, Tensor, activation};

/// The arithmetic that formulas are written in.
pub(crate) trait Number:
    Clone + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// A constant.
    type Scalar: Copy + Neg<Output = Self::Scalar> + Sub<Output = Self::Scalar>;
    /// True or false for each sample.
    type Mask: Clone;

    fn scalar(value: f64) -> Self::Scalar;
    fn plus(self, scalar: Self::Scalar) -> Self;
    fn times(self, scalar: Self::Scalar) -> Self;
    /// Returns `self * scalar + other`. A [`Dual`] rounds once, a tensor twice.
    fn times_plus(self, scalar: Self::Scalar, other: Self) -> Self;
    fn sqrt(self) -> Self;
    fn exp(self) -> Self;
    /// Returns `log(1 + x)`.
    fn ln_1p(self) -> Self;
    /// Returns `log(1 / (1 + exp(-x)))`, without an exponential that overflows.
    fn log_sigmoid(self) -> Self;
    fn above(&self, bound: Self::Scalar) -> Self::Mask;
    fn below(&self, bound: Self::Scalar) -> Self::Mask;
    fn both(one: Self::Mask, other: Self::Mask) -> Self::Mask;
    fn either(one: Self::Mask, other: Self::Mask) -> Self::Mask;
    fn not(mask: Self::Mask) -> Self::Mask;
    /// Replaces the value by a constant, with derivative 0, where `mask` is true.
    fn replaced(self, mask: Self::Mask, by: Self::Scalar) -> Self;
    /// Returns the larger of two numbers, the first if they are equal.
    fn larger(self, other: Self) -> Self;
    /// Returns 1 where `mask` is true, 0 elsewhere.
    fn flag(&self, mask: Self::Mask) -> Self;
}

impl<const D: usize> Number for Tensor<D> {
    type Scalar = f64;
    type Mask = Tensor<D, Bool>;

    fn scalar(value: f64) -> f64 {
        value
    }

    fn plus(self, scalar: f64) -> Self {
        self.add_scalar(scalar)
    }

    fn times(self, scalar: f64) -> Self {
        self.mul_scalar(scalar)
    }

    fn times_plus(self, scalar: f64, other: Self) -> Self {
        self.mul_scalar(scalar) + other
    }

    fn sqrt(self) -> Self {
        self.sqrt()
    }

    fn exp(self) -> Self {
        self.exp()
    }

    fn ln_1p(self) -> Self {
        self.log1p()
    }

    fn log_sigmoid(self) -> Self {
        activation::log_sigmoid(self)
    }

    fn above(&self, bound: f64) -> Self::Mask {
        self.clone().greater_elem(bound)
    }

    fn below(&self, bound: f64) -> Self::Mask {
        self.clone().lower_elem(bound)
    }

    fn both(one: Self::Mask, other: Self::Mask) -> Self::Mask {
        one.bool_and(other)
    }

    fn either(one: Self::Mask, other: Self::Mask) -> Self::Mask {
        one.bool_or(other)
    }

    fn not(mask: Self::Mask) -> Self::Mask {
        mask.bool_not()
    }

    fn replaced(self, mask: Self::Mask, by: f64) -> Self {
        self.mask_fill(mask, by)
    }

    fn larger(self, other: Self) -> Self {
        self.max_pair(other)
    }

    fn flag(&self, mask: Self::Mask) -> Self {
        self.zeros_like().mask_fill(mask, 1.0)
    }
}
