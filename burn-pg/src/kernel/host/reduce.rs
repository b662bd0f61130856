//! Sums, in an order that depends on the number of summands alone.

use super::{real::Real, vector::vectorised};

/// Sums that are added up side by side.
const LANES: usize = 16;

/// The scalar product of two arrays of the same length.
#[inline(always)]
pub(in crate::kernel) fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    let (a_lanes, a_rest) = a.as_chunks::<LANES>();
    let (b_lanes, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [T::zero(); LANES];
    for (a, b) in a_lanes.iter().zip(b_lanes) {
        for lane in 0..LANES {
            sums[lane] = a[lane].mul_add(b[lane], sums[lane]);
        }
    }
    let mut sum = T::zero();
    for (&a, &b) in a_rest.iter().zip(b_rest) {
        sum = a.mul_add(b, sum);
    }
    for lane in sums {
        sum += lane;
    }
    sum
}

/// The scalar product of an array with itself.
pub(crate) fn square<T: Real>(numbers: &[T]) -> T {
    vectorised((numbers, numbers), dot_of)
}

/// The mean of one number or more.
pub(crate) fn mean<T: Real>(numbers: &[T]) -> T {
    vectorised(numbers, sum_of) / T::of(numbers.len() as f64)
}

#[inline(always)]
fn dot_of<T: Real>((a, b): (&[T], &[T])) -> T {
    dot(a, b)
}

#[inline(always)]
fn sum_of<T: Real>(numbers: &[T]) -> T {
    let (lanes, rest) = numbers.as_chunks::<LANES>();
    let mut sums = [T::zero(); LANES];
    for numbers in lanes {
        for lane in 0..LANES {
            sums[lane] += numbers[lane];
        }
    }
    let mut sum = T::zero();
    for &number in rest {
        sum += number;
    }
    for lane in sums {
        sum += lane;
    }
    sum
}
