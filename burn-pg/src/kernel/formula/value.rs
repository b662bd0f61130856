//! The arithmetic of single values.

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::kernel::host::Real;

/// The arithmetic that [`Dual`](super::Dual) is written in: of floats on the host, or of values in a kernel for a GPU.
pub(crate) trait Value:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// True or false.
    type Mask: Copy;

    fn constant(value: f64) -> Self;
    fn zero() -> Self;
    fn one() -> Self;
    /// Returns `self * factor + summand`, rounded once.
    fn mul_add(self, factor: Self, summand: Self) -> Self;
    fn abs(self) -> Self;
    fn sqrt(self) -> Self;
    fn exp(self) -> Self;
    fn ln_1p(self) -> Self;
    fn is_below(self, other: Self) -> Self::Mask;
    fn both(one: Self::Mask, other: Self::Mask) -> Self::Mask;
    fn either(one: Self::Mask, other: Self::Mask) -> Self::Mask;
    fn not(mask: Self::Mask) -> Self::Mask;
    fn select(mask: Self::Mask, one: Self, other: Self) -> Self;
}

impl<T: Real> Value for T {
    type Mask = bool;

    #[inline(always)]
    fn constant(value: f64) -> T {
        T::of(value)
    }

    #[inline(always)]
    fn zero() -> T {
        num_traits::Zero::zero()
    }

    #[inline(always)]
    fn one() -> T {
        num_traits::One::one()
    }

    #[inline(always)]
    fn mul_add(self, factor: T, summand: T) -> T {
        num_traits::Float::mul_add(self, factor, summand)
    }

    #[inline(always)]
    fn abs(self) -> T {
        num_traits::Float::abs(self)
    }

    #[inline(always)]
    fn sqrt(self) -> T {
        num_traits::Float::sqrt(self)
    }

    #[inline(always)]
    fn exp(self) -> T {
        self.exp_inline()
    }

    #[inline(always)]
    fn ln_1p(self) -> T {
        num_traits::Float::ln_1p(self)
    }

    #[inline(always)]
    fn is_below(self, other: T) -> bool {
        self < other
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
    fn select(mask: bool, one: T, other: T) -> T {
        if mask { one } else { other }
    }
}
