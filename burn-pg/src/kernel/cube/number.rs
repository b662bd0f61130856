//! Values in a kernel as numbers of [formulas](crate::kernel::formula).
//!
//! A formula that gets them writes its operations into the kernel. So it stands once, for tensors, for the host and for
//! GPUs; with a [`Dual`](crate::kernel::formula::Dual) of them, the kernel computes its derivatives too.

use std::ops::{Add, Div, Mul, Neg, Sub};

use cubecl::prelude::*;

use crate::kernel::formula::Value;

/// A float in a kernel, in single precision: a constant, or a value that is known when the kernel runs.
#[derive(Clone, Copy)]
pub(super) enum Emitted<'s> {
    Constant(f32),
    Value(&'s Scope, NativeExpand<f32>),
}

/// True or false in a kernel.
#[derive(Clone, Copy)]
pub(super) enum Mask<'s> {
    Constant(bool),
    Value(&'s Scope, NativeExpand<bool>),
}

/// Defines operations of a kernel, from the same operations on constants.
macro_rules! operations {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $output:ty = $formula:expr;)*) => {
        $(
            #[cube]
            fn $name($($argument: $kind),*) -> $output {
                $formula
            }
        )*
    };
}

operations! {
    add(a: f32, b: f32) -> f32 = a + b;
    subtract(a: f32, b: f32) -> f32 = a - b;
    multiply(a: f32, b: f32) -> f32 = a * b;
    divide(a: f32, b: f32) -> f32 = a / b;
    negate(a: f32) -> f32 = -a;
    absolute(a: f32) -> f32 = a.abs();
    root(a: f32) -> f32 = a.sqrt();
    exponential(a: f32) -> f32 = a.exp();
    log_of_one_and(a: f32) -> f32 = a.log1p();
    is_less(a: f32, b: f32) -> bool = a < b;
    and(a: bool, b: bool) -> bool = a && b;
    or(a: bool, b: bool) -> bool = a || b;
    negation(a: bool) -> bool = !a;
}

#[cube]
fn fused(a: f32, b: f32, c: f32) -> f32 {
    fma(a, b, c)
}

#[cube]
fn choose(mask: bool, a: f32, b: f32) -> f32 {
    select(mask, a, b)
}

impl<'s> Emitted<'s> {
    fn scope(self) -> Option<&'s Scope> {
        match self {
            Self::Constant(_) => None,
            Self::Value(scope, _) => Some(scope),
        }
    }

    /// Returns the value in a kernel.
    pub fn value(self, scope: &Scope) -> NativeExpand<f32> {
        match self {
            Self::Constant(value) => NativeExpand::from_lit(scope, value),
            Self::Value(_, value) => value,
        }
    }

    fn unary(
        self,
        of_constant: impl FnOnce(f32) -> f32,
        of_value: impl FnOnce(&Scope, NativeExpand<f32>) -> NativeExpand<f32>,
    ) -> Self {
        match self {
            Self::Constant(value) => Self::Constant(of_constant(value)),
            Self::Value(scope, value) => Self::Value(scope, of_value(scope, value)),
        }
    }

    fn binary(
        self,
        other: Self,
        of_constants: impl FnOnce(f32, f32) -> f32,
        of_values: impl FnOnce(&Scope, NativeExpand<f32>, NativeExpand<f32>) -> NativeExpand<f32>,
    ) -> Self {
        match (self, other) {
            (Self::Constant(a), Self::Constant(b)) => Self::Constant(of_constants(a, b)),
            (Self::Value(scope, _), _) | (_, Self::Value(scope, _)) => {
                Self::Value(scope, of_values(scope, self.value(scope), other.value(scope)))
            }
        }
    }

    fn is(self, constant: f32) -> bool {
        matches!(self, Self::Constant(value) if value == constant)
    }
}

impl Mask<'_> {
    fn value(self, scope: &Scope) -> NativeExpand<bool> {
        match self {
            Self::Constant(value) => NativeExpand::from_lit(scope, value),
            Self::Value(_, value) => value,
        }
    }

    fn binary(
        self,
        other: Self,
        of_constants: impl FnOnce(bool, bool) -> bool,
        of_values: impl FnOnce(&Scope, NativeExpand<bool>, NativeExpand<bool>) -> NativeExpand<bool>,
    ) -> Self {
        match (self, other) {
            (Self::Constant(a), Self::Constant(b)) => Self::Constant(of_constants(a, b)),
            (Self::Value(scope, _), _) | (_, Self::Value(scope, _)) => {
                Self::Value(scope, of_values(scope, self.value(scope), other.value(scope)))
            }
        }
    }
}

// The neutral elements leave the operation out: many derivatives are 0 or 1.
impl Add for Emitted<'_> {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        match () {
            () if self.is(0.0) => other,
            () if other.is(0.0) => self,
            () => self.binary(other, |a, b| a + b, add::expand),
        }
    }
}

impl Sub for Emitted<'_> {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        match () {
            () if self.is(0.0) => -other,
            () if other.is(0.0) => self,
            () => self.binary(other, |a, b| a - b, subtract::expand),
        }
    }
}

impl Mul for Emitted<'_> {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        match () {
            () if self.is(0.0) || other.is(1.0) => self,
            () if other.is(0.0) || self.is(1.0) => other,
            () => self.binary(other, |a, b| a * b, multiply::expand),
        }
    }
}

impl Div for Emitted<'_> {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        match self.is(0.0) || other.is(1.0) {
            true => self,
            false => self.binary(other, |a, b| a / b, divide::expand),
        }
    }
}

impl Neg for Emitted<'_> {
    type Output = Self;

    fn neg(self) -> Self {
        self.unary(|a| -a, negate::expand)
    }
}

impl<'s> Value for Emitted<'s> {
    type Mask = Mask<'s>;

    #[allow(clippy::cast_possible_truncation)] // kernels use single precision
    fn constant(value: f64) -> Self {
        Self::Constant(value as f32)
    }

    fn zero() -> Self {
        Self::Constant(0.0)
    }

    fn one() -> Self {
        Self::Constant(1.0)
    }

    fn mul_add(self, factor: Self, summand: Self) -> Self {
        let scope = self.scope().or(factor.scope()).or(summand.scope());
        match scope {
            Some(scope) if !self.is(0.0) && !factor.is(0.0) && !summand.is(0.0) => {
                Self::Value(scope, fused::expand(scope, self.value(scope), factor.value(scope), summand.value(scope)))
            }
            _ => self * factor + summand,
        }
    }

    fn abs(self) -> Self {
        self.unary(f32::abs, absolute::expand)
    }

    fn sqrt(self) -> Self {
        self.unary(f32::sqrt, root::expand)
    }

    fn exp(self) -> Self {
        self.unary(f32::exp, exponential::expand)
    }

    fn ln_1p(self) -> Self {
        self.unary(f32::ln_1p, log_of_one_and::expand)
    }

    fn is_below(self, other: Self) -> Mask<'s> {
        match (self, other) {
            (Self::Constant(a), Self::Constant(b)) => Mask::Constant(a < b),
            (Self::Value(scope, _), _) | (_, Self::Value(scope, _)) => {
                Mask::Value(scope, is_less::expand(scope, self.value(scope), other.value(scope)))
            }
        }
    }

    fn both(one: Mask<'s>, other: Mask<'s>) -> Mask<'s> {
        one.binary(other, |a, b| a & b, and::expand)
    }

    fn either(one: Mask<'s>, other: Mask<'s>) -> Mask<'s> {
        one.binary(other, |a, b| a | b, or::expand)
    }

    fn not(mask: Mask<'s>) -> Mask<'s> {
        match mask {
            Mask::Constant(value) => Mask::Constant(!value),
            Mask::Value(scope, value) => Mask::Value(scope, negation::expand(scope, value)),
        }
    }

    fn select(mask: Mask<'s>, one: Self, other: Self) -> Self {
        match mask {
            Mask::Constant(true) => one,
            Mask::Constant(false) => other,
            Mask::Value(scope, mask) => {
                Self::Value(scope, choose::expand(scope, mask, one.value(scope), other.value(scope)))
            }
        }
    }
}
