//! Values with derivatives.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::{Number, Value};

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

impl<T: Value, const N: usize> Dual<T, N> {
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
    fn select(mask: T::Mask, one: Self, other: Self) -> Self {
        dual!(T::select(mask, one.value, other.value), |i| T::select(mask, one.derivatives[i], other.derivatives[i]))
    }
}

impl<T: Value, const N: usize> Add for Dual<T, N> {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        dual!(self.value + other.value, |i| self.derivatives[i] + other.derivatives[i])
    }
}

impl<T: Value, const N: usize> Sub for Dual<T, N> {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        dual!(self.value - other.value, |i| self.derivatives[i] - other.derivatives[i])
    }
}

impl<T: Value, const N: usize> Mul for Dual<T, N> {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        dual!(self.value * other.value, |i| self.derivatives[i] * other.value + self.value * other.derivatives[i])
    }
}

impl<T: Value, const N: usize> Div for Dual<T, N> {
    type Output = Self;

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        let value = self.value / other.value;
        dual!(value, |i| (self.derivatives[i] - value * other.derivatives[i]) / other.value)
    }
}

impl<T: Value, const N: usize> Neg for Dual<T, N> {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        dual!(-self.value, |i| -self.derivatives[i])
    }
}

impl<T: Value, const N: usize> Number for Dual<T, N> {
    type Scalar = T;
    type Mask = T::Mask;

    #[inline(always)]
    fn scalar(value: f64) -> T {
        T::constant(value)
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
        let value = self.value.exp();
        dual!(value, |i| self.derivatives[i] * value)
    }

    #[inline(always)]
    fn ln_1p(self) -> Self {
        let whole = T::one() + self.value;
        dual!(self.value.ln_1p(), |i| self.derivatives[i] / whole)
    }

    #[inline(always)]
    fn log_sigmoid(self) -> Self {
        // exp(-|x|), which cannot overflow.
        let small = (-self.value.abs()).exp();
        let (negative, one) = (self.value.is_below(T::zero()), T::one());
        let derivative = T::select(negative, one, small) / (one + small);
        let value = T::select(negative, self.value, T::zero()) - small.ln_1p();
        dual!(value, |i| self.derivatives[i] * derivative)
    }

    #[inline(always)]
    fn above(&self, bound: T) -> T::Mask {
        bound.is_below(self.value)
    }

    #[inline(always)]
    fn below(&self, bound: T) -> T::Mask {
        self.value.is_below(bound)
    }

    #[inline(always)]
    fn both(one: T::Mask, other: T::Mask) -> T::Mask {
        T::both(one, other)
    }

    #[inline(always)]
    fn either(one: T::Mask, other: T::Mask) -> T::Mask {
        T::either(one, other)
    }

    #[inline(always)]
    fn not(mask: T::Mask) -> T::Mask {
        T::not(mask)
    }

    #[inline(always)]
    fn replaced(self, mask: T::Mask, by: T) -> Self {
        Self::select(mask, Self::constant(by), self)
    }

    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        Self::select(self.value.is_below(other.value), other, self)
    }

    #[inline(always)]
    fn flag(&self, mask: T::Mask) -> Self {
        Self::constant(T::select(mask, T::one(), T::zero()))
    }
}
