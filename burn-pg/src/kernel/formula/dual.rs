//! Values with derivatives.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::Number;
use crate::kernel::host::Real;

/// A value of one sample, and its derivatives with respect to N variables.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dual<T, const N: usize = 1> {
    pub value: T,
    pub derivatives: [T; N],
}

/// Creates a number from its value and its derivative with respect to variable `i`. It is a macro because a closure
/// would not be compiled for the vector instructions of the caller.
macro_rules! dual {
    ($value:expr, |$i:ident| $derivative:expr) => {{
        let mut derivatives = [T::zero(); N];
        for $i in 0..N {
            derivatives[$i] = $derivative;
        }
        Self { value: $value, derivatives }
    }};
}

impl<T: Real, const N: usize> Dual<T, N> {
    /// Creates variable `index`: its derivative with respect to itself is 1, the others are 0.
    #[inline(always)]
    pub fn variable(value: T, index: usize) -> Self {
        let mut variable = Self::constant(value);
        variable.derivatives[index] = T::one();
        variable
    }

    /// Creates a constant. Its derivatives are 0.
    #[inline(always)]
    pub fn constant(value: T) -> Self {
        Self { value, derivatives: [T::zero(); N] }
    }

    #[inline(always)]
    fn select(condition: bool, one: Self, other: Self) -> Self {
        dual!(if condition { one.value } else { other.value }, |i| if condition {
            one.derivatives[i]
        } else {
            other.derivatives[i]
        })
    }
}

impl<T: Real, const N: usize> Add for Dual<T, N> {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        dual!(self.value + other.value, |i| self.derivatives[i] + other.derivatives[i])
    }
}

impl<T: Real, const N: usize> Sub for Dual<T, N> {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        dual!(self.value - other.value, |i| self.derivatives[i] - other.derivatives[i])
    }
}

impl<T: Real, const N: usize> Mul for Dual<T, N> {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        dual!(self.value * other.value, |i| self.derivatives[i] * other.value + self.value * other.derivatives[i])
    }
}

impl<T: Real, const N: usize> Div for Dual<T, N> {
    type Output = Self;

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        let value = self.value / other.value;
        dual!(value, |i| (self.derivatives[i] - value * other.derivatives[i]) / other.value)
    }
}

impl<T: Real, const N: usize> Neg for Dual<T, N> {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        dual!(-self.value, |i| -self.derivatives[i])
    }
}

impl<T: Real, const N: usize> Number for Dual<T, N> {
    type Scalar = T;
    type Mask = bool;

    #[inline(always)]
    fn scalar(value: f64) -> T {
        T::of(value)
    }

    #[inline(always)]
    fn plus(self, scalar: T) -> Self {
        Self { value: self.value + scalar, ..self }
    }

    #[inline(always)]
    fn times(self, scalar: T) -> Self {
        dual!(self.value * scalar, |i| self.derivatives[i] * scalar)
    }

    #[inline(always)]
    fn times_plus(self, scalar: T, other: Self) -> Self {
        dual!(self.value.mul_add(scalar, other.value), |i| self.derivatives[i].mul_add(scalar, other.derivatives[i]))
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        let value = self.value.sqrt();
        dual!(value, |i| self.derivatives[i] / (value + value))
    }

    #[inline(always)]
    fn exp(self) -> Self {
        let value = self.value.exp_inline();
        dual!(value, |i| self.derivatives[i] * value)
    }

    #[inline(always)]
    fn log_sigmoid(self) -> Self {
        // exp(-|x|), which cannot overflow.
        let small = (-self.value.abs()).exp_inline();
        let (negative, one) = (self.value < T::zero(), T::one());
        let derivative = (if negative { one } else { small }) / (one + small);
        let value = if negative { self.value } else { T::zero() } - small.ln_1p();
        dual!(value, |i| self.derivatives[i] * derivative)
    }

    #[inline(always)]
    fn above(&self, bound: T) -> bool {
        self.value > bound
    }

    #[inline(always)]
    fn below(&self, bound: T) -> bool {
        self.value < bound
    }

    #[inline(always)]
    fn both(one: bool, other: bool) -> bool {
        one & other
    }

    #[inline(always)]
    fn either(one: bool, other: bool) -> bool {
        one | other
    }

    #[inline(always)]
    fn not(mask: bool) -> bool {
        !mask
    }

    #[inline(always)]
    fn replaced(self, mask: bool, by: T) -> Self {
        Self::select(mask, Self::constant(by), self)
    }

    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        Self::select(other.value > self.value, other, self)
    }

    #[inline(always)]
    fn flag(&self, mask: bool) -> Self {
        Self::constant(if mask { T::one() } else { T::zero() })
    }
}
