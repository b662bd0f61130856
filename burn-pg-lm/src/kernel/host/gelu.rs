//! Activations of perceptrons.

use std::f64::consts::FRAC_2_PI;

use burn_pg::{
    kernel::parts::{Real, for_each},
    vectorised,
};

/// Elements that a task takes at once.
const CHUNK: usize = 1 << 12;

/// The cubic coefficient of GPT-2's approximation.
const CUBIC: f64 = 0.044_715;

/// Returns `gelu_new` of each value, and the hyperbolic tangents for the derivative.
pub(crate) fn gelu<T: Real>(x: &[T]) -> [Vec<T>; 2] {
    forward(x, |x, tangents, y| {
        inner_of_gelu(x, tangents);
        T::tanh_all(tangents);
        gelu_of(x, tangents, y);
    })
}

/// Returns the gradient with respect to `x` of [`gelu`], from that with respect to its results.
pub(crate) fn gelu_backward<T: Real>(x: &[T], tangents: &[T], of_y: &[T]) -> Vec<T> {
    backward(x, tangents, of_y, derive_gelu)
}

/// Returns `x sigmoid(x)` of each value, and the sigmoids for the derivative.
pub(crate) fn silu<T: Real>(x: &[T]) -> [Vec<T>; 2] {
    forward(x, |x, sigmoids, y| {
        halves(x, sigmoids);
        // `sigmoid(x)` is `(1 + tanh(x / 2)) / 2`.
        T::tanh_all(sigmoids);
        silu_of(x, sigmoids, y);
    })
}

/// Returns the gradient with respect to `x` of [`silu`], from that with respect to its results.
pub(crate) fn silu_backward<T: Real>(x: &[T], sigmoids: &[T], of_y: &[T]) -> Vec<T> {
    backward(x, sigmoids, of_y, derive_silu)
}

/// Computes results and what their derivatives need, chunk by chunk: `compute` gets values, the latter, and results.
fn forward<T: Real>(x: &[T], compute: impl Fn(&[T], &mut [T], &mut [T]) + Sync + Send) -> [Vec<T>; 2] {
    let (mut y, mut kept) = (vec![T::zero(); x.len()], vec![T::zero(); x.len()]);
    let tasks = x.chunks(CHUNK).zip(kept.chunks_mut(CHUNK)).zip(y.chunks_mut(CHUNK)).collect();
    for_each(tasks, || (), |(), ((x, kept), y): ((&[T], &mut [T]), &mut [T])| compute(x, kept, y));
    [y, kept]
}

/// A chunk: values, what derivatives need, the gradient of results, and that of values.
type Chunk<'a, T> = (((&'a [T], &'a [T]), &'a [T]), &'a mut [T]);

fn backward<T: Real>(
    x: &[T],
    kept: &[T],
    of_y: &[T],
    derive: impl for<'a> Fn(&'a [T], &'a [T], &'a [T], &'a mut [T]) + Sync + Send,
) -> Vec<T> {
    let mut of_x = vec![T::zero(); x.len()];
    let inputs = x.chunks(CHUNK).zip(kept.chunks(CHUNK)).zip(of_y.chunks(CHUNK));
    let tasks = inputs.zip(of_x.chunks_mut(CHUNK)).collect();
    for_each(tasks, || (), |(), (((x, kept), of_y), of_x): Chunk<'_, T>| derive(x, kept, of_y, of_x));
    of_x
}

vectorised! {
    fn inner_of_gelu<'a, T>(x: &'a [T], inner: &'a mut [T]) -> () {
        let (cubic, root) = (T::of(CUBIC), T::of(FRAC_2_PI.sqrt()));
        for (inner, &x) in inner.iter_mut().zip(x) {
            *inner = (cubic * x * x).mul_add(x, x) * root;
        }
    }

    fn gelu_of<'a, T>(x: &'a [T], tangents: &'a [T], y: &'a mut [T]) -> () {
        let half = T::of(0.5);
        for ((y, &x), &tangent) in y.iter_mut().zip(x).zip(tangents) {
            *y = half * x * (T::one() + tangent);
        }
    }

    fn derive_gelu<'a, T>(x: &'a [T], tangents: &'a [T], of_y: &'a [T], of_x: &'a mut [T]) -> () {
        let (half, one) = (T::of(0.5), T::one());
        let (cubic, root) = (T::of(3.0 * CUBIC), T::of(FRAC_2_PI.sqrt()));
        for (((of_x, &x), &tangent), &of_y) in of_x.iter_mut().zip(x).zip(tangents).zip(of_y) {
            let inner = root * (one + cubic * x * x);
            *of_x = (half * (one + tangent) + half * x * (one - tangent * tangent) * inner) * of_y;
        }
    }

    fn halves<'a, T>(x: &'a [T], halves: &'a mut [T]) -> () {
        let half = T::of(0.5);
        for (result, &x) in halves.iter_mut().zip(x) {
            *result = half * x;
        }
    }

    /// Turns hyperbolic tangents into sigmoids.
    fn silu_of<'a, T>(x: &'a [T], sigmoids: &'a mut [T], y: &'a mut [T]) -> () {
        let half = T::of(0.5);
        for ((y, sigmoid), &x) in y.iter_mut().zip(sigmoids).zip(x) {
            *sigmoid = sigmoid.mul_add(half, half);
            *y = x * *sigmoid;
        }
    }

    fn derive_silu<'a, T>(x: &'a [T], sigmoids: &'a [T], of_y: &'a [T], of_x: &'a mut [T]) -> () {
        for (((of_x, &x), &sigmoid), &of_y) in of_x.iter_mut().zip(x).zip(sigmoids).zip(of_y) {
            *of_x = sigmoid * (T::one() + x * (T::one() - sigmoid)) * of_y;
        }
    }
}
