//! Layer and root-mean-square normalisation.

use burn_pg::{
    kernel::parts::{Real, dot, for_each, lane_sum},
    vectorised,
};

/// Rows that a task takes at once.
const ROWS: usize = 64;

/// Normalises rows of the width of `scale`: with `shift`, to mean 0 and variance 1, otherwise to a mean square of 1.
pub(crate) fn norm<T: Real>(x: &[T], scale: &[T], shift: Option<&[T]>, epsilon: f64) -> Vec<T> {
    let (width, mut y) = (scale.len(), vec![T::zero(); x.len()]);
    let tasks = x.chunks(ROWS * width).zip(y.chunks_mut(ROWS * width)).collect();
    for_each(tasks, || (), |(), (x, y): (&[T], &mut [T])| norm_rows(x, scale, shift, epsilon, y));
    y
}

/// Writes the values of a row less their mean (if `centred`), times the inverse of their standard deviation or of the root of their mean
/// square. Returns that inverse.
#[inline(always)]
#[allow(clippy::inline_always)] // compiled for the vector instructions of its callers
fn normalise<T: Real>(x: &[T], centred: bool, epsilon: f64, y: &mut [T]) -> T {
    let count = T::of(x.len() as f64);
    let mean = if centred { lane_sum(x) / count } else { T::zero() };
    for (y, &x) in y.iter_mut().zip(x) {
        *y = x - mean;
    }
    let inverse = T::one() / (dot(y, y) / count + T::of(epsilon)).sqrt();
    for y in y {
        *y = *y * inverse;
    }
    inverse
}

vectorised! {
    /// Normalises rows.
    fn norm_rows<'a, T>(x: &'a [T], scale: &'a [T], shift: Option<&'a [T]>, epsilon: f64, y: &'a mut [T]) -> () {
        let width = scale.len();
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
            normalise(x, shift.is_some(), epsilon, y);
            for (y, &scale) in y.iter_mut().zip(scale) {
                *y = *y * scale;
            }
            for (y, &shift) in y.iter_mut().zip(shift.unwrap_or_default()) {
                *y += shift;
            }
        }
    }

    /// Writes the gradients with respect to rows, and adds up those with respect to scale and shift.
    fn differentiate<'a, T>(
        x: &'a [T],
        scale: &'a [T],
        centred: bool,
        epsilon: f64,
        of_y: &'a [T],
        of_x: &'a mut [T],
        sums: &'a mut [Vec<T>; 2],
    ) -> () {
        let (width, [of_scale, of_shift]) = (scale.len(), sums);
        let count = T::of(width as f64);
        let (mut normal, mut scaled) = (vec![T::zero(); width], vec![T::zero(); width]);
        for ((x, of_y), of_x) in x.chunks_exact(width).zip(of_y.chunks_exact(width)).zip(of_x.chunks_exact_mut(width)) {
            let inverse = normalise(x, centred, epsilon, &mut normal);
            for ((scaled, &of_y), &scale) in scaled.iter_mut().zip(of_y).zip(scale) {
                *scaled = of_y * scale;
            }
            let with_normal = dot(&scaled, &normal) / count;
            let alone = if centred { lane_sum(&scaled) / count } else { T::zero() };
            for ((of_x, &scaled), &normal) in of_x.iter_mut().zip(&scaled).zip(&normal) {
                *of_x = inverse * (scaled - alone - normal * with_normal);
            }
            for ((sum, &of_y), &normal) in of_scale.iter_mut().zip(of_y).zip(&normal) {
                *sum += of_y * normal;
            }
            for (sum, &of_y) in of_shift.iter_mut().zip(of_y) {
                *sum += of_y;
            }
        }
    }
}

/// The rows of a task, and the sums of their gradients with respect to scale and shift.
type Part<'a, T> = (((&'a [T], &'a [T]), &'a mut [T]), &'a mut [Vec<T>; 2]);

/// Returns the gradients of [`norm`] with respect to `x`, scale and shift, from that with respect to its results.
pub(crate) fn norm_backward<T: Real>(x: &[T], scale: &[T], centred: bool, epsilon: f64, of_y: &[T]) -> [Vec<T>; 3] {
    let (width, mut of_x) = (scale.len(), vec![T::zero(); x.len()]);
    let rows = ROWS * width;
    let zeros = || [vec![T::zero(); width], vec![T::zero(); width]];
    let mut sums: Vec<[Vec<T>; 2]> = (0..x.len().div_ceil(rows)).map(|_| zeros()).collect();
    let tasks = x.chunks(rows).zip(of_y.chunks(rows)).zip(of_x.chunks_mut(rows)).zip(&mut sums).collect();
    for_each(
        tasks,
        || (),
        |(), (((x, of_y), of_x), sums): Part<'_, T>| {
            differentiate(x, scale, centred, epsilon, of_y, of_x, sums);
        },
    );
    // In the order of the rows, whatever thread they were on.
    let [mut of_scale, mut of_shift] = zeros();
    for [scale, shift] in &sums {
        of_scale.iter_mut().zip(scale).for_each(|(sum, &part)| *sum += part);
        of_shift.iter_mut().zip(shift).for_each(|(sum, &part)| *sum += part);
    }
    [of_x, of_scale, of_shift]
}
