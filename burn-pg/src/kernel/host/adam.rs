//! Adam's step.

use super::{real::Real, vector::vectorised};

/// The numbers of one step; see [`Adam`](crate::optim::Adam).
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdamStep<T> {
    pub beta_1: T,
    pub beta_2: T,
    pub epsilon: T,
    pub weight_decay: T,
    /// `lr / (1 - beta_1^t)`
    pub step_size: T,
    /// `sqrt(1 - beta_2^t)`
    pub correction: T,
}

/// Takes a step, in one pass over arrays of the same length.
pub(crate) fn adam<T: Real>(
    step: AdamStep<T>,
    parameters: &mut [T],
    gradient: &[T],
    first: &mut [T],
    second: &mut [T],
) {
    vectorised((step, parameters, gradient, first, second), step_each);
}

type Arrays<'a, T> = (AdamStep<T>, &'a mut [T], &'a [T], &'a mut [T], &'a mut [T]);

#[inline(always)]
fn step_each<T: Real>((step, parameters, gradient, first, second): Arrays<'_, T>) {
    let AdamStep { beta_1, beta_2, epsilon, weight_decay, step_size, correction } = step;
    let one = T::one();
    for (((parameter, &gradient), first), second) in parameters.iter_mut().zip(gradient).zip(first).zip(second) {
        let gradient = weight_decay.mul_add(*parameter, gradient);
        *first = beta_1.mul_add(*first, (one - beta_1) * gradient);
        *second = beta_2.mul_add(*second, (one - beta_2) * (gradient * gradient));
        *parameter = *parameter - step_size * (*first / (second.sqrt() / correction + epsilon));
    }
}
