//! The logarithm of the gamma function and its derivatives, for arguments of at least 1.
//!
//! Each is Stirling's series at `z = x + 8`, where five terms are exact to 1e-13, and the recurrence
//! `log Gamma(x) = log Gamma(z) - log(x (x + 1) ... (x + 7))` with its derivatives.
//!
//! Source: M. Abramowitz, I. Stegun, *Handbook of mathematical functions* (1964), 6.1.15, 6.1.41, 6.3.18 and 6.4.12.

use super::{HALF_LOG_TAU, Number};

/// Steps of the recurrence.
const STEPS: u32 = 8;

/// `log Gamma(x)` for x of at least 1.
pub(crate) fn log_gamma<N: Number>(x: &N) -> N {
    const SERIES: [f64; 5] = [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0];
    let (z, inverse) = shifted(x);
    let leading = z.clone().plus(N::scalar(-0.5)) * log(&z) - z;
    let tail = inverse.clone() * series(&(inverse.clone() * inverse), SERIES);
    (leading + tail).plus(N::scalar(HALF_LOG_TAU)) - log(&product(x, 0)) - log(&product(x, STEPS / 2))
}

/// The derivative of `log Gamma(x)`, for x of at least 1.
pub(crate) fn digamma<N: Number>(x: &N) -> N {
    const SERIES: [f64; 5] = [-1.0 / 12.0, 1.0 / 120.0, -1.0 / 252.0, 1.0 / 240.0, -1.0 / 132.0];
    let (z, inverse) = shifted(x);
    let square = inverse.clone() * inverse.clone();
    let tail = square.clone() * series(&square, SERIES) - inverse.times(N::scalar(0.5));
    let reciprocals = sum_of_steps(x, |term| reciprocal(&term));
    log(&z) + tail - reciprocals
}

/// The second derivative of `log Gamma(x)`, for x of at least 1.
pub(crate) fn trigamma<N: Number>(x: &N) -> N {
    const SERIES: [f64; 5] = [1.0 / 6.0, -1.0 / 30.0, 1.0 / 42.0, -1.0 / 30.0, 5.0 / 66.0];
    let (_, inverse) = shifted(x);
    let square = inverse.clone() * inverse.clone();
    let leading = inverse.clone() + square.clone().times(N::scalar(0.5));
    let squares = sum_of_steps(x, |term| {
        let reciprocal = reciprocal(&term);
        reciprocal.clone() * reciprocal
    });
    leading + inverse * square.clone() * series(&square, SERIES) + squares
}

/// Returns z, where Stirling's series is used, and `1 / z`.
fn shifted<N: Number>(x: &N) -> (N, N) {
    let z = x.clone().plus(N::scalar(f64::from(STEPS)));
    let inverse = reciprocal(&z);
    (z, inverse)
}

/// `log x` for x of at least 1.
fn log<N: Number>(x: &N) -> N {
    x.clone().plus(N::scalar(-1.0)).ln_1p()
}

fn reciprocal<N: Number>(x: &N) -> N {
    let one = x.clone().times(N::scalar(0.0)).plus(N::scalar(1.0));
    one / x.clone()
}

/// `c_0 + c_1 y + c_2 y^2 + ...`, where y is at most 1 / 81.
fn series<N: Number>(y: &N, coefficients: [f64; 5]) -> N {
    let [first @ .., last] = coefficients;
    let constant = y.clone().times(N::scalar(0.0)).plus(N::scalar(last));
    first.into_iter().rev().fold(constant, |sum, coefficient| (sum * y.clone()).plus(N::scalar(coefficient)))
}

/// `(x + first) (x + first + 1) ...`, half of the steps. (The product of all of them would overflow in single precision
/// beyond 60,000.)
fn product<N: Number>(x: &N, first: u32) -> N {
    let term = |step: u32| x.clone().plus(N::scalar(f64::from(step)));
    (first + 1..first + STEPS / 2).fold(term(first), |product, step| product * term(step))
}

fn sum_of_steps<N: Number>(x: &N, of: impl Fn(N) -> N) -> N {
    let term = |step: u32| of(x.clone().plus(N::scalar(f64::from(step))));
    (1..STEPS).fold(term(0), |sum, step| sum + term(step))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::formula::Dual;

    /// x, `log Gamma(x)`, and its first and second derivative, from mpmath (`loggamma`, `digamma`, `psi(1, x)`, 40 digits).
    #[allow(clippy::excessive_precision)] // as printed
    const VALUES: [(f64, [f64; 3]); 8] = [
        (1.0, [0.0, -0.577_215_664_901_532_86, 1.644_934_066_848_226_4]),
        (1.25, [-0.098_271_836_421_813_161, -0.227_453_533_376_265_41, 1.197_329_154_507_110_7]),
        (1.693_147_180_559_945_3, [-0.097_218_180_298_533_086, 0.203_097_761_271_344_89, 0.797_393_533_974_496_66]),
        (2.0, [0.0, 0.422_784_335_098_467_14, 0.644_934_066_848_226_44]),
        (3.5, [1.200_973_602_347_074_3, 1.103_156_640_645_243_2, 0.330_357_756_100_234_86]),
        (10.0, [12.801_827_480_081_47, 2.251_752_589_066_721_1, 0.105_166_335_681_685_75]),
        (57.25, [173.361_912_830_627_24, 4.038_668_593_357_126_9, 0.017_620_689_469_856_143]),
        (1000.0, [5_905.220_423_209_181_2, 6.907_255_195_648_812_1, 0.001_000_500_166_666_633_3]),
    ];

    #[test]
    fn they_have_the_values_of_mpmath() {
        for (x, expected) in VALUES {
            let variable = Dual::<f64, 1>::variable(x, 0);
            let [value, first, second] = [log_gamma(&variable), digamma(&variable), trigamma(&variable)];
            for (ours, expected) in [value, first, second].iter().zip(expected) {
                assert!((ours.value - expected).abs() <= 2e-13 * expected.abs().max(1.0), "{x}: {ours:?} {expected}");
            }
            // The derivatives of the formulas are the next formula.
            for (ours, expected) in [(value, first), (first, second)] {
                let derivative = ours.derivatives[0];
                assert!((derivative - expected.value).abs() <= 1e-12, "{x}: {derivative} {}", expected.value);
            }
        }
    }

    #[test]
    #[allow(clippy::cast_possible_truncation)]
    fn single_precision_loses_a_few_roundings() {
        for (x, expected) in VALUES {
            let x = Dual::<f32, 0>::constant(x as f32);
            for (ours, expected) in [log_gamma(&x), digamma(&x), trigamma(&x)].iter().zip(expected) {
                let error = (f64::from(ours.value) - expected).abs();
                assert!(error <= 5e-6 * expected.abs().max(1.0), "{x:?}: {ours:?} {expected}");
            }
        }
    }
}
