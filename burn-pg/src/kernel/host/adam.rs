//! Adam's step.

use super::vector::vectorised;

/// The coefficients of one step; see [`Adam`](crate::optim::Adam).
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

vectorised! {
    /// Takes a step, in one pass over arrays of the same length.
    pub(crate) fn adam<'a, T>(
        step: AdamStep<T>,
        parameters: &'a mut [T],
        gradient: &'a [T],
        first: &'a mut [T],
        second: &'a mut [T],
    ) -> () {
        let AdamStep { beta_1, beta_2, epsilon, weight_decay, step_size, correction } = step;
        let one = T::one();
        for (((parameter, &gradient), first), second) in parameters.iter_mut().zip(gradient).zip(first).zip(second) {
            let gradient = weight_decay.mul_add(*parameter, gradient);
            *first = beta_1.mul_add(*first, (one - beta_1) * gradient);
            *second = beta_2.mul_add(*second, (one - beta_2) * (gradient * gradient));
            *parameter = *parameter - step_size * (*first / (second.sqrt() / correction + epsilon));
        }
    }
}
