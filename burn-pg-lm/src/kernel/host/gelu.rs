//! Activations of perceptrons.

use std::f64::consts::FRAC_2_PI;

use burn_pg::kernel::parts::{Real, for_each};

/// Elements that a task takes at once.
const CHUNK: usize = 1 << 12;

/// The cubic coefficient of GPT-2's approximation.
const CUBIC: f64 = 0.044_715;

/// Returns `gelu_new` of each value, and the hyperbolic tangents for the derivative.
pub(crate) fn gelu<T: Real>(x: &[T]) -> [Vec<T>; 2] {
    let (mut y, mut tangents) = (vec![T::zero(); x.len()], vec![T::zero(); x.len()]);
    let tasks = x.chunks(CHUNK).zip(y.chunks_mut(CHUNK)).zip(tangents.chunks_mut(CHUNK)).collect();
    for_each(
        tasks,
        || (),
        |(), ((x, y), tangents): ((&[T], &mut [T]), &mut [T])| {
            let (cubic, root) = (T::of(CUBIC), T::of(FRAC_2_PI.sqrt()));
            for (tangent, &x) in tangents.iter_mut().zip(x) {
                *tangent = (cubic * x * x).mul_add(x, x) * root;
            }
            T::tanh_all(tangents);
            for ((y, &x), &tangent) in y.iter_mut().zip(x).zip(&*tangents) {
                *y = T::of(0.5) * x * (T::one() + tangent);
            }
        },
    );
    [y, tangents]
}

/// Returns the gradient with respect to `x` of [`gelu`], from that with respect to its results.
pub(crate) fn gelu_backward<T: Real>(x: &[T], tangents: &[T], of_y: &[T]) -> Vec<T> {
    let (half, one) = (T::of(0.5), T::one());
    let (cubic, root) = (T::of(3.0 * CUBIC), T::of(FRAC_2_PI.sqrt()));
    let derivative = |(&x, &tangent): (&T, &T)| {
        let inner = root * (one + cubic * x * x);
        half * (one + tangent) + half * x * (one - tangent * tangent) * inner
    };
    x.iter().zip(tangents).map(derivative).zip(of_y).map(|(derivative, &of_y)| derivative * of_y).collect()
}

/// Returns `x sigmoid(x)` of each value, and the sigmoids for the derivative.
pub(crate) fn silu<T: Real>(x: &[T]) -> [Vec<T>; 2] {
    let (mut y, mut sigmoids) = (vec![T::zero(); x.len()], vec![T::zero(); x.len()]);
    let tasks = x.chunks(CHUNK).zip(y.chunks_mut(CHUNK)).zip(sigmoids.chunks_mut(CHUNK)).collect();
    for_each(
        tasks,
        || (),
        |(), ((x, y), sigmoids): ((&[T], &mut [T]), &mut [T])| {
            let half = T::of(0.5);
            for (sigmoid, &x) in sigmoids.iter_mut().zip(x) {
                *sigmoid = half * x;
            }
            // `sigmoid(x)` is `(1 + tanh(x / 2)) / 2`.
            T::tanh_all(sigmoids);
            for ((y, sigmoid), &x) in y.iter_mut().zip(sigmoids).zip(x) {
                *sigmoid = sigmoid.mul_add(half, half);
                *y = x * *sigmoid;
            }
        },
    );
    [y, sigmoids]
}

/// Returns the gradient with respect to `x` of [`silu`], from that with respect to its results.
pub(crate) fn silu_backward<T: Real>(x: &[T], sigmoids: &[T], of_y: &[T]) -> Vec<T> {
    let derivative = |(&x, &sigmoid): (&T, &T)| sigmoid * (T::one() + x * (T::one() - sigmoid));
    x.iter().zip(sigmoids).map(derivative).zip(of_y).map(|(derivative, &of_y)| derivative * of_y).collect()
}
