//! Layer and root-mean-square normalisation.

use burn_pg::kernel::parts::{Real, for_each, sum_of};

/// Rows that a task takes at once.
const ROWS: usize = 64;

/// Normalises rows of the width of `scale`: with `shift`, to mean 0 and variance 1, otherwise to a mean square of 1.
pub(crate) fn norm<T: Real>(x: &[T], scale: &[T], shift: Option<&[T]>, epsilon: f64) -> Vec<T> {
    let (width, mut y) = (scale.len(), vec![T::zero(); x.len()]);
    let tasks = x.chunks(ROWS * width).zip(y.chunks_mut(ROWS * width)).collect();
    for_each(
        tasks,
        || (),
        |(), (x, y): (&[T], &mut [T])| {
            for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
                let Moments { mean, inverse } = Moments::of(x, shift.is_some(), epsilon);
                for (i, (&x, y)) in x.iter().zip(y).enumerate() {
                    let normal = (x - mean) * inverse * scale[i];
                    *y = shift.map_or(normal, |shift| normal + shift[i]);
                }
            }
        },
    );
    y
}

/// What a row is normalised by.
struct Moments<T> {
    mean: T,
    /// 1 over the standard deviation, or over the root of the mean square.
    inverse: T,
}

impl<T: Real> Moments<T> {
    fn of(x: &[T], centred: bool, epsilon: f64) -> Self {
        let count = T::of(x.len() as f64);
        let mean = if centred { sum_of(x.iter().copied()) / count } else { T::zero() };
        let square = sum_of(x.iter().map(|&x| (x - mean) * (x - mean))) / count;
        Self { mean, inverse: T::one() / (square + T::of(epsilon)).sqrt() }
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

/// Writes the gradients with respect to some rows, and adds up those with respect to scale and shift.
fn differentiate<T: Real>(
    x: &[T],
    scale: &[T],
    centred: bool,
    epsilon: f64,
    of_y: &[T],
    of_x: &mut [T],
    [of_scale, of_shift]: &mut [Vec<T>; 2],
) {
    let width = scale.len();
    let count = T::of(width as f64);
    for ((x, of_y), of_x) in x.chunks_exact(width).zip(of_y.chunks_exact(width)).zip(of_x.chunks_exact_mut(width)) {
        let Moments { mean, inverse } = Moments::of(x, centred, epsilon);
        let normal = |i: usize| (x[i] - mean) * inverse;
        let with_normal = sum_of((0..width).map(|i| of_y[i] * scale[i] * normal(i))) / count;
        let alone = match centred {
            true => sum_of((0..width).map(|i| of_y[i] * scale[i])) / count,
            false => T::zero(),
        };
        for i in 0..width {
            of_x[i] = inverse * (of_y[i] * scale[i] - alone - normal(i) * with_normal);
            of_scale[i] += of_y[i] * normal(i);
            of_shift[i] += of_y[i];
        }
    }
}
