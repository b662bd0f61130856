//! Activations of arrays, and their derivatives.

use super::{real::Real, vector::vectorised};
use crate::kernel::Activation;

/// Applies an activation. Writes the derivatives of `silu` to `derivatives`.
pub(super) fn activate<T: Real>(activation: Activation, values: &mut [T], derivatives: &mut Vec<T>) {
    match activation {
        Activation::Tanh => T::tanh_all(values),
        Activation::Relu => relu(values),
        Activation::Silu => {
            // `sigmoid(x)` is `(1 + tanh(x / 2)) / 2`.
            derivatives.resize(values.len(), T::zero());
            halve(values, derivatives);
            T::tanh_all(derivatives);
            silu(values, derivatives);
        }
    }
}

/// Turns gradients with respect to the outputs of an activation into gradients with respect to its inputs.
pub(super) fn activation_backward<T: Real>(
    activation: Activation,
    outputs: &[T],
    derivatives: &[T],
    gradients: &mut [T],
) {
    match activation {
        Activation::Tanh => tanh_backward(outputs, gradients),
        Activation::Relu => relu_backward(outputs, gradients),
        Activation::Silu => multiply(derivatives, gradients),
    }
}

vectorised! {
    fn relu<'a, T>(values: &'a mut [T]) -> () {
        for value in values {
            // Unlike a maximum, this keeps NaN.
            *value = if *value < T::zero() { T::zero() } else { *value };
        }
    }

    fn halve<'a, T>(values: &'a [T], halves: &'a mut [T]) -> () {
        for (result, &x) in halves.iter_mut().zip(values) {
            *result = x * T::of(0.5);
        }
    }

    /// Turns `x` and `tanh(x / 2)` into `x sigmoid(x)` and its derivative.
    fn silu<'a, T>(values: &'a mut [T], tangents: &'a mut [T]) -> () {
        for (x, tangent) in values.iter_mut().zip(tangents) {
            let sigmoid = tangent.mul_add(T::of(0.5), T::of(0.5));
            *tangent = sigmoid * (T::one() + *x * (T::one() - sigmoid));
            *x = *x * sigmoid;
        }
    }

    fn tanh_backward<'a, T>(outputs: &'a [T], gradients: &'a mut [T]) -> () {
        for (gradient, &output) in gradients.iter_mut().zip(outputs) {
            *gradient = *gradient * (T::one() - output * output);
        }
    }

    fn relu_backward<'a, T>(outputs: &'a [T], gradients: &'a mut [T]) -> () {
        for (gradient, &output) in gradients.iter_mut().zip(outputs) {
            *gradient = if output > T::zero() { *gradient } else { T::zero() };
        }
    }

    fn multiply<'a, T>(factors: &'a [T], gradients: &'a mut [T]) -> () {
        for (gradient, &factor) in gradients.iter_mut().zip(factors) {
            *gradient = *gradient * factor;
        }
    }
}
