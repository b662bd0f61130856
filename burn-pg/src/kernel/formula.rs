//! The formulas of losses, each written once for tensors and for kernels.
//!
//! A formula is generic over a [`Number`]: a tensor of all samples, whose gradient comes from autodiff, or a [`Dual`]
//! of one sample, which carries its derivative with it, so that a kernel computes value and derivative in one pass.

use std::ops::{Add, Mul, Neg, Sub};

use burn::tensor::{Bool, DType, Tensor};

use super::host::Real;

/// The arithmetic that formulas are written in.
pub(crate) trait Number:
    Clone + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Neg<Output = Self>
{
    /// A constant.
    type Scalar: Copy + PartialOrd + Neg<Output = Self::Scalar>;
    /// True or false for each sample.
    type Mask: Clone;

    fn scalar(value: f64) -> Self::Scalar;
    fn plus(self, scalar: Self::Scalar) -> Self;
    fn times(self, scalar: Self::Scalar) -> Self;
    fn exp(self) -> Self;
    fn above(&self, bound: Self::Scalar) -> Self::Mask;
    fn below(&self, bound: Self::Scalar) -> Self::Mask;
    fn both(one: Self::Mask, other: Self::Mask) -> Self::Mask;
    fn either(one: Self::Mask, other: Self::Mask) -> Self::Mask;
    fn not(mask: Self::Mask) -> Self::Mask;
    /// Replaces the value by a constant, with derivative 0, where `mask` holds.
    fn replaced(self, mask: Self::Mask, by: Self::Scalar) -> Self;
    /// The larger of two numbers: the first if they are equal.
    fn larger(self, other: Self) -> Self;
    /// 1 where `mask` holds, 0 elsewhere.
    fn flag(&self, mask: Self::Mask) -> Self;
}

/// Returns the point beyond which [`ratio`] follows the tangent of the exponential: far beyond any ratio that training
/// survives, and low enough that the square of the result, as in the norm of a gradient, is finite.
pub(crate) fn tangent_point(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => 350.0,
        DType::F16 => 5.0,
        _ => 40.0,
    }
}

/// Returns `exp(x)` up to `limit`, and beyond it the tangent at `limit`.
///
/// An exponential that overflows would make the loss infinite and, once an infinite gradient is multiplied by 0, the
/// weights NaN. The tangent stays finite, and its gradient still pushes the ratio back. The branch is chosen before the
/// exponential is taken. NaN stays NaN, so that it is found and not trained on.
#[inline(always)]
pub(crate) fn ratio<N: Number>(log_ratio: &N, limit: f64) -> N {
    let (bound, slope) = (N::scalar(limit), N::scalar(limit.exp()));
    let beyond = log_ratio.above(bound);
    let excess = log_ratio.clone().plus(-bound);
    let excess = excess.replaced(N::not(beyond.clone()), N::scalar(0.0)).times(slope);
    log_ratio.clone().replaced(beyond, bound).exp() + excess
}

/// `r - 1 - log r`
#[inline(always)]
pub(crate) fn k3<N: Number>(ratio: &N, log_ratio: &N) -> N {
    ratio.clone().plus(N::scalar(-1.0)) - log_ratio.clone()
}

/// PPO's clipped surrogate, `-min(r A, clip(r, low, high) A)`. Where the clip takes hold its derivative is exactly 0.
#[inline(always)]
pub(crate) fn clipped_surrogate<N: Number>(ratio: &N, advantage: &N, [low, high]: [N::Scalar; 2]) -> N {
    let zero = N::scalar(0.0);
    let clipped_above = N::both(ratio.above(high), N::not(advantage.below(zero)));
    let clipped_below = N::both(ratio.below(low), N::not(advantage.above(zero)));
    -(ratio.clone().replaced(clipped_above, high).replaced(clipped_below, low) * advantage.clone())
}

/// 1 where a ratio is outside the interval, 0 elsewhere.
#[inline(always)]
pub(crate) fn outside<N: Number>(ratio: &N, [low, high]: [N::Scalar; 2]) -> N {
    ratio.flag(N::either(ratio.above(high), ratio.below(low)))
}

/// `(V - R)^2 / 2`
#[inline(always)]
pub(crate) fn value_error<N: Number>(value: &N, target: &N) -> N {
    let difference = value.clone() - target.clone();
    (difference.clone() * difference).times(N::scalar(0.5))
}

/// `V_old + clip(V - V_old, -range, range)`
#[inline(always)]
pub(crate) fn moved<N: Number>(value: &N, old: &N, range: N::Scalar) -> N {
    let distance = value.clone() - old.clone();
    let (ahead, behind) = (distance.above(range), distance.below(-range));
    distance.replaced(ahead, range).replaced(behind, -range) + old.clone()
}

impl Number for Tensor<1> {
    type Scalar = f64;
    type Mask = Tensor<1, Bool>;

    fn scalar(value: f64) -> f64 {
        value
    }

    fn plus(self, scalar: f64) -> Self {
        self.add_scalar(scalar)
    }

    fn times(self, scalar: f64) -> Self {
        self.mul_scalar(scalar)
    }

    fn exp(self) -> Self {
        self.exp()
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

/// A value of one sample with its derivative.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dual<T> {
    pub value: T,
    pub derivative: T,
}

impl<T: Real> Dual<T> {
    /// Creates the variable with respect to which derivatives are taken.
    #[inline(always)]
    pub fn variable(value: T) -> Self {
        Self { value, derivative: T::one() }
    }

    /// Creates a constant.
    #[inline(always)]
    pub fn constant(value: T) -> Self {
        Self { value, derivative: T::zero() }
    }

    #[inline(always)]
    fn select(condition: bool, one: Self, other: Self) -> Self {
        Self {
            value: if condition { one.value } else { other.value },
            derivative: if condition { one.derivative } else { other.derivative },
        }
    }
}

impl<T: Real> Add for Dual<T> {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self { value: self.value + other.value, derivative: self.derivative + other.derivative }
    }
}

impl<T: Real> Sub for Dual<T> {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self { value: self.value - other.value, derivative: self.derivative - other.derivative }
    }
}

impl<T: Real> Mul for Dual<T> {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        let derivative = self.derivative * other.value + self.value * other.derivative;
        Self { value: self.value * other.value, derivative }
    }
}

impl<T: Real> Neg for Dual<T> {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        Self { value: -self.value, derivative: -self.derivative }
    }
}

impl<T: Real> Number for Dual<T> {
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
        Self { value: self.value * scalar, derivative: self.derivative * scalar }
    }

    #[inline(always)]
    fn exp(self) -> Self {
        let value = self.value.exp_inline();
        Self { value, derivative: self.derivative * value }
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
