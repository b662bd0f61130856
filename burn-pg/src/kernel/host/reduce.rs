//! Sums. The order of summation depends only on the number of summands.

use super::{real::Real, vector::vectorised};

/// Number of partial sums that are computed side by side.
const LANES: usize = 16;

vectorised! {
    /// Returns the scalar product of two arrays of the same length.
    pub(crate) fn dot_product<'a, T>(a: &'a [T], b: &'a [T]) -> T {
        dot(a, b)
    }

    /// Returns the sum of all values.
    pub(crate) fn sum<'a, T>(values: &'a [T]) -> T {
        lane_sum(values)
    }
}

/// Returns the sum of values, to be inlined into a function of `vectorised!`.
#[inline(always)]
pub fn lane_sum<T: Real>(values: &[T]) -> T {
    let (lanes, rest) = values.as_chunks::<LANES>();
    let mut sums = [T::zero(); LANES];
    for values in lanes {
        for lane in 0..LANES {
            sums[lane] += values[lane];
        }
    }
    total(sums, rest)
}

/// Returns the largest of values, or minus infinity, to be inlined into a function of `vectorised!`. Ignores NaN.
#[inline(always)]
pub fn lane_max<T: Real>(values: &[T]) -> T {
    let larger = |a: T, b: T| if b > a { b } else { a };
    let (lanes, rest) = values.as_chunks::<LANES>();
    let mut most = [T::neg_infinity(); LANES];
    for values in lanes {
        for lane in 0..LANES {
            most[lane] = larger(most[lane], values[lane]);
        }
    }
    most.iter().chain(rest).fold(T::neg_infinity(), |most, &value| larger(most, value))
}

/// Returns the mean of one or more values.
pub(crate) fn mean<T: Real>(values: &[T]) -> T {
    sum(values) / T::of(values.len() as f64)
}

/// The scalar product of two arrays of the same length, to be inlined into a function of `vectorised!`.
#[inline(always)]
pub fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    let (a_lanes, a_rest) = a.as_chunks::<LANES>();
    let (b_lanes, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [T::zero(); LANES];
    for (a, b) in a_lanes.iter().zip(b_lanes) {
        for lane in 0..LANES {
            sums[lane] = a[lane].mul_add(b[lane], sums[lane]);
        }
    }
    for ((&a, &b), sum) in a_rest.iter().zip(b_rest).zip(&mut sums) {
        *sum = a.mul_add(b, *sum);
    }
    total(sums, &[])
}

/// Adds up the lanes in pairs, then the rest.
#[inline(always)]
fn total<T: Real>(mut lanes: [T; LANES], rest: &[T]) -> T {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    let mut sum = lanes[0];
    for &value in rest {
        sum += value;
    }
    sum
}
