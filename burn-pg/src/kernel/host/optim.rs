//! Steps of optimisers and the clipping of gradients, on arrays of P elements.

use super::{real::Real, reduce::dot_product, vector::vectorised};
use crate::kernel::formula::{self, AdamStep, Dual, RmsPropStep, SgdStep};

/// Scales a gradient to a norm of at most `max_norm`. Returns the norm before.
pub(crate) fn clip_global_norm<T: Real>(gradient: &mut [T], max_norm: f64) -> T {
    let norm = dot_product(gradient, gradient).sqrt();
    if let Some(factor) = clip_factor(norm, max_norm) {
        scale(gradient, factor);
    }
    norm
}

/// Returns the factor that scales a gradient with this norm to a norm of at most `max_norm`, if it is too long.
pub(crate) fn clip_factor<T: Real>(norm: T, max_norm: f64) -> Option<T> {
    let factor = T::of(max_norm) / (norm + T::of(1e-6));
    // The comparison is false for a factor of NaN, so that the result is NaN.
    if factor > T::one() { None } else { Some(factor) }
}

vectorised! {
    /// Multiplies all elements by a factor.
    pub(crate) fn scale<'a, T>(elements: &'a mut [T], factor: T) -> () {
        for element in elements {
            *element = *element * factor;
        }
    }

    /// Takes a step of Adam; `decay` is multiplied to the parameters before it.
    pub(crate) fn adam<'a, T>(
        step: AdamStep,
        decay: T,
        parameters: &'a mut [T],
        gradient: &'a [T],
        first: &'a mut [T],
        second: &'a mut [T],
    ) -> () {
        for (((parameter, &gradient), first), second) in parameters.iter_mut().zip(gradient).zip(first).zip(second) {
            let moments = [Dual::<T, 0>::constant(*first), Dual::constant(*second)];
            let after = formula::adam(step, Dual::constant(*parameter * decay), Dual::constant(gradient), moments);
            (*parameter, *first, *second) = (after[0].value, after[1].value, after[2].value);
        }
    }

    /// Takes a step of RMSprop. The averages of gradients and the velocity are empty if there are none.
    pub(crate) fn rms_prop<'a, T>(
        step: RmsPropStep,
        parameters: &'a mut [T],
        gradient: &'a [T],
        squares: &'a mut [T],
        averages: &'a mut [T],
        velocities: &'a mut [T],
    ) -> () {
        for i in 0..parameters.len() {
            let [parameter, gradient, square] = [parameters[i], gradient[i], squares[i]].map(Dual::<T, 0>::constant);
            let average = averages.get(i).copied().map(Dual::constant);
            let velocity = velocities.get(i).copied().map(Dual::constant);
            let after = formula::rms_prop(step, parameter, gradient, square, average, velocity);
            (parameters[i], squares[i]) = (after.parameters.value, after.square_average.value);
            if let Some(average) = after.gradient_average {
                averages[i] = average.value;
            }
            if let Some(velocity) = after.velocity {
                velocities[i] = velocity.value;
            }
        }
    }

    /// Takes a step of stochastic gradient descent. The velocity is empty if there is none.
    pub(crate) fn sgd<'a, T>(step: SgdStep, parameters: &'a mut [T], gradient: &'a [T], velocities: &'a mut [T]) -> () {
        for i in 0..parameters.len() {
            let [parameter, gradient] = [parameters[i], gradient[i]].map(Dual::<T, 0>::constant);
            let velocity = velocities.get(i).copied().map(Dual::constant);
            let (parameter, velocity) = formula::sgd(step, parameter, gradient, velocity);
            parameters[i] = parameter.value;
            if let Some(velocity) = velocity {
                velocities[i] = velocity.value;
            }
        }
    }
}
