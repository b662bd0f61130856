//! The formulas of optimisers, for one parameter.

use super::Number;

/// The coefficients of one step of [`adam`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdamStep {
    pub beta_1: f64,
    pub beta_2: f64,
    pub epsilon: f64,
    pub weight_decay: f64,
    /// `lr / (1 - beta_1^t)`
    pub step_size: f64,
    /// `sqrt(1 - beta_2^t)`
    pub correction: f64,
}

/// Returns the gradient after `weight_decay / 2 * |parameters|^2` is added to the loss.
#[inline(always)]
fn decayed<N: Number>(parameters: &N, gradient: N, weight_decay: f64) -> N {
    match weight_decay == 0.0 {
        true => gradient,
        false => parameters.clone().times_plus(N::scalar(weight_decay), gradient),
    }
}

/// Returns the parameters and both moments after a step of [`Adam`](crate::optim::Adam).
#[inline(always)]
pub(crate) fn adam<N: Number>(step: AdamStep, parameters: N, gradient: N, moments: [N; 2]) -> [N; 3] {
    let sizes = [N::scalar(step.step_size), N::scalar(1.0 / step.correction)];
    adam_of_size(step, sizes, parameters, gradient, moments)
}

/// Does what [`adam`] does, but with this `step_size` and `1 / correction`.
#[inline(always)]
pub(crate) fn adam_of_size<N: Number>(
    step: AdamStep,
    [step_size, inverse_correction]: [N::Scalar; 2],
    parameters: N,
    gradient: N,
    [first, second]: [N; 2],
) -> [N; 3] {
    let AdamStep { epsilon, weight_decay, .. } = step;
    let (one, beta_1, beta_2) = (N::scalar(1.0), N::scalar(step.beta_1), N::scalar(step.beta_2));
    let gradient = decayed(&parameters, gradient, weight_decay);
    let square = gradient.clone() * gradient.clone();
    let first = first.times_plus(beta_1, gradient.times(one - beta_1));
    let second = second.times_plus(beta_2, square.times(one - beta_2));
    let denominator = second.clone().sqrt().times(inverse_correction).plus(N::scalar(epsilon));
    [parameters - (first.clone() / denominator).times(step_size), first, second]
}

/// The coefficients of one step of [`rms_prop`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct RmsPropStep {
    pub alpha: f64,
    pub epsilon: f64,
    pub momentum: f64,
    pub weight_decay: f64,
    pub learning_rate: f64,
}

/// The parameters, and the state after a step of [`RmsProp`](crate::optim::RmsProp).
pub(crate) struct RmsPropOutput<N> {
    pub parameters: N,
    pub square_average: N,
    /// If the optimiser is centred.
    pub gradient_average: Option<N>,
    /// If there is momentum.
    pub velocity: Option<N>,
}

/// Takes a step of [`RmsProp`](crate::optim::RmsProp). State that is `None` does not exist.
#[inline(always)]
pub(crate) fn rms_prop<N: Number>(
    step: RmsPropStep,
    parameters: N,
    gradient: N,
    square_average: N,
    gradient_average: Option<N>,
    velocity: Option<N>,
) -> RmsPropOutput<N> {
    let learning_rate = N::scalar(step.learning_rate);
    rms_prop_of_size(step, learning_rate, parameters, gradient, square_average, gradient_average, velocity)
}

/// Does what [`rms_prop`] does, but with this learning rate.
#[inline(always)]
pub(crate) fn rms_prop_of_size<N: Number>(
    step: RmsPropStep,
    learning_rate: N::Scalar,
    parameters: N,
    gradient: N,
    square_average: N,
    gradient_average: Option<N>,
    velocity: Option<N>,
) -> RmsPropOutput<N> {
    let (alpha, share) = (N::scalar(step.alpha), N::scalar(1.0 - step.alpha));
    let gradient = decayed(&parameters, gradient, step.weight_decay);
    let square = gradient.clone() * gradient.clone();
    let square_average = square_average.times_plus(alpha, square.times(share));
    let (mut variance, mut averaged) = (square_average.clone(), None);
    if let Some(average) = gradient_average {
        let average = average.times_plus(alpha, gradient.clone().times(share));
        let difference = variance - average.clone() * average.clone();
        // Rounding can make the difference negative where gradients hardly vary; in PyTorch the step is then NaN.
        let negative = difference.below(N::scalar(0.0));
        variance = difference.replaced(negative, N::scalar(0.0));
        averaged = Some(average);
    }
    let mut direction = gradient / variance.sqrt().plus(N::scalar(step.epsilon));
    let mut moved = None;
    if let Some(velocity) = velocity {
        direction = velocity.times_plus(N::scalar(step.momentum), direction);
        moved = Some(direction.clone());
    }
    let parameters = parameters - direction.times(learning_rate);
    RmsPropOutput { parameters, square_average, gradient_average: averaged, velocity: moved }
}

/// The coefficients of one step of [`sgd`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct SgdStep {
    pub momentum: f64,
    pub dampening: f64,
    pub weight_decay: f64,
    pub nesterov: bool,
    pub learning_rate: f64,
}

/// Returns the parameters and the velocity after a step of [`Sgd`](crate::optim::Sgd). Without momentum there is no
/// velocity. The velocity before the first step is 0, with a `dampening` of 0.
#[inline(always)]
pub(crate) fn sgd<N: Number>(step: SgdStep, parameters: N, gradient: N, velocity: Option<N>) -> (N, Option<N>) {
    let sizes = [N::scalar(step.learning_rate), N::scalar(1.0 - step.dampening)];
    sgd_of_size(step, sizes, parameters, gradient, velocity)
}

/// Does what [`sgd`] does, but with this learning rate and `1 - dampening`.
#[inline(always)]
pub(crate) fn sgd_of_size<N: Number>(
    step: SgdStep,
    [learning_rate, share]: [N::Scalar; 2],
    parameters: N,
    gradient: N,
    velocity: Option<N>,
) -> (N, Option<N>) {
    let gradient = decayed(&parameters, gradient, step.weight_decay);
    let (mut direction, mut moved) = (gradient.clone(), None);
    if let Some(velocity) = velocity {
        let momentum = N::scalar(step.momentum);
        let velocity = velocity.times_plus(momentum, gradient.clone().times(share));
        direction = match step.nesterov {
            true => velocity.clone().times_plus(momentum, gradient),
            false => velocity.clone(),
        };
        moved = Some(velocity);
    }
    (parameters - direction.times(learning_rate), moved)
}
