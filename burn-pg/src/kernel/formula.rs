//! The formulas of losses, densities and optimisers, each written once for tensors and for kernels.
//!
//! A formula is generic over [`Number`], which is either a tensor of all samples, differentiated by autodiff, or a
//! [`Dual`], the value of one sample with its derivatives. With a `Dual`, a kernel computes value and derivatives in
//! one pass.

use std::ops::{Add, Div, Mul, Neg, Sub};

use burn::tensor::{Bool, DType, Tensor};

use super::host::Real;

/// `log(2 pi) / 2`.
pub(crate) const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_8;

/// The arithmetic that formulas are written in.
pub(crate) trait Number:
    Clone + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// A constant.
    type Scalar: Copy + PartialOrd + Neg<Output = Self::Scalar> + Sub<Output = Self::Scalar>;
    /// True or false for each sample.
    type Mask: Clone;

    fn scalar(value: f64) -> Self::Scalar;
    fn plus(self, scalar: Self::Scalar) -> Self;
    fn times(self, scalar: Self::Scalar) -> Self;
    fn over(self, scalar: Self::Scalar) -> Self;
    /// Returns `self * scalar + other`. A [`Dual`] rounds once, a tensor twice.
    fn times_plus(self, scalar: Self::Scalar, other: Self) -> Self;
    fn sqrt(self) -> Self;
    fn exp(self) -> Self;
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

/// Returns the log-ratio beyond which [`ratio`] follows the tangent of the exponential. Ratios in useful training are
/// far smaller. The norm of a gradient needs the square of the exponential, which is still finite at this point.
pub(crate) fn tangent_point(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => 350.0,
        DType::F16 => 5.0,
        _ => 40.0,
    }
}

/// Returns `exp(x)` up to `limit`, and beyond it the tangent of the exponential at `limit`.
///
/// An overflow would make the loss infinite, and the weights NaN once an infinite gradient is multiplied by 0. The
/// tangent stays finite, and its gradient still moves the ratio back. The branch is chosen before the exponential is
/// computed. NaN stays NaN, so that it is reported as an error.
#[inline(always)]
pub(crate) fn ratio<N: Number>(log_ratio: &N, limit: f64) -> N {
    let (bound, derivative) = (N::scalar(limit), N::scalar(limit.exp()));
    let beyond = log_ratio.above(bound);
    let excess = log_ratio.clone().plus(-bound);
    let excess = excess.replaced(N::not(beyond.clone()), N::scalar(0.0)).times(derivative);
    log_ratio.clone().replaced(beyond, bound).exp() + excess
}

/// `r - 1 - log r`, J. Schulman's k3 estimator of the KL divergence.
#[inline(always)]
pub(crate) fn k3<N: Number>(ratio: &N, log_ratio: &N) -> N {
    ratio.clone().plus(N::scalar(-1.0)) - log_ratio.clone()
}

/// PPO's clipped surrogate, `-min(r A, clip(r, low, high) A)`. Where the ratio is clipped, the derivative is exactly 0.
#[inline(always)]
pub(crate) fn clipped_surrogate<N: Number>(ratio: &N, advantage: &N, [low, high]: [N::Scalar; 2]) -> N {
    let zero = N::scalar(0.0);
    let clipped_above = N::both(ratio.above(high), N::not(advantage.below(zero)));
    let clipped_below = N::both(ratio.below(low), N::not(advantage.above(zero)));
    -(ratio.clone().replaced(clipped_above, high).replaced(clipped_below, low) * advantage.clone())
}

/// Returns 1 where a ratio is outside the interval, 0 elsewhere.
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
pub(crate) fn clipped_value<N: Number>(value: &N, old: &N, range: N::Scalar) -> N {
    let distance = value.clone() - old.clone();
    let (above, below) = (distance.above(range), distance.below(-range));
    distance.replaced(above, range).replaced(below, -range) + old.clone()
}

/// The log-density of a normal distribution, `-z^2 / 2 - log sigma - log(2 pi) / 2` with `z = (a - mu) / sigma`.
/// `1 / sigma` is at most `exp(limit)`: if it were infinite, an action equal to the mean would give NaN.
#[inline(always)]
pub(crate) fn log_density<N: Number>(action: &N, mean: &N, log_std: &N, limit: N::Scalar) -> N {
    let z = (action.clone() - mean.clone()) * inverse_std(log_std, limit);
    let square = (z.clone() * z).times(N::scalar(-0.5));
    (square - log_std.clone()).plus(N::scalar(-HALF_LOG_TAU))
}

/// `1 / sigma`, at most `exp(limit)`.
#[inline(always)]
pub(crate) fn inverse_std<N: Number>(log_std: &N, limit: N::Scalar) -> N {
    let negative = -log_std.clone();
    let beyond = negative.above(limit);
    negative.replaced(beyond, limit).exp()
}

/// The coefficients of one step of [`adam`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdamStep {
    pub beta_1: f64,
    pub beta_2: f64,
    pub epsilon: f64,
    pub weight_decay: f64,
    /// `lr / (1 - beta_1^t)`
    pub step_size: f64,
    /// `sqrt(1 - beta_2^t)`
    pub correction: f64,
}

/// Returns the parameters and both moments after a step of [`Adam`](crate::optim::Adam).
#[inline(always)]
pub(crate) fn adam<N: Number>(step: AdamStep, parameters: N, gradient: N, [first, second]: [N; 2]) -> [N; 3] {
    let AdamStep { epsilon, weight_decay, step_size, correction, .. } = step;
    let (one, beta_1, beta_2) = (N::scalar(1.0), N::scalar(step.beta_1), N::scalar(step.beta_2));
    let gradient = match weight_decay == 0.0 {
        true => gradient,
        false => parameters.clone().times_plus(N::scalar(weight_decay), gradient),
    };
    let square = gradient.clone() * gradient.clone();
    let first = first.times_plus(beta_1, gradient.times(one - beta_1));
    let second = second.times_plus(beta_2, square.times(one - beta_2));
    let denominator = second.clone().sqrt().over(N::scalar(correction)).plus(N::scalar(epsilon));
    [parameters - (first.clone() / denominator).times(N::scalar(step_size)), first, second]
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

    fn over(self, scalar: f64) -> Self {
        self.div_scalar(scalar)
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
    fn over(self, scalar: T) -> Self {
        dual!(self.value / scalar, |i| self.derivatives[i] / scalar)
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
