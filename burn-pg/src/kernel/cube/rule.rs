//! The rules of optimisers, as constants of kernels.

use cubecl::prelude::*;

use super::number::Emitted;
use crate::{
    kernel::formula::{self, AdamStep, Dual, RmsPropStep, SgdStep},
    optim::HostStep,
};

/// Numbers of a step in their buffer: two sizes, and what parameters are multiplied by before the step.
pub(crate) const SIZES: usize = 3;

/// An optimiser: its coefficients that do not change, as bits, and which vectors its state has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RulePlan {
    Adam { betas: [u64; 2], epsilon: u64, weight_decay: u64 },
    RmsProp { alpha: u64, epsilon: u64, momentum: u64, weight_decay: u64, vectors: [bool; 2] },
    Sgd { momentum: u64, weight_decay: u64, nesterov: bool, moves: bool },
}

impl RulePlan {
    /// Returns the rule of an optimiser, from any of its steps and the vectors that its state has.
    pub fn new(step: HostStep, vectors: [bool; 3]) -> Self {
        match step {
            HostStep::Adam { step: AdamStep { beta_1, beta_2, epsilon, weight_decay, .. }, .. } => Self::Adam {
                betas: [beta_1, beta_2].map(f64::to_bits),
                epsilon: epsilon.to_bits(),
                weight_decay: weight_decay.to_bits(),
            },
            HostStep::RmsProp(RmsPropStep { alpha, epsilon, momentum, weight_decay, .. }) => {
                let [alpha, epsilon, momentum, weight_decay] =
                    [alpha, epsilon, momentum, weight_decay].map(f64::to_bits);
                Self::RmsProp { alpha, epsilon, momentum, weight_decay, vectors: [vectors[1], vectors[2]] }
            }
            HostStep::Sgd(SgdStep { momentum, weight_decay, nesterov, .. }) => {
                let [momentum, weight_decay] = [momentum, weight_decay].map(f64::to_bits);
                Self::Sgd { momentum, weight_decay, nesterov, moves: vectors[0] }
            }
        }
    }

    /// Which vectors the state has.
    pub fn vectors(self) -> [bool; 3] {
        match self {
            Self::Adam { .. } => [true, true, false],
            Self::RmsProp { vectors: [averages, moves], .. } => [true, averages, moves],
            Self::Sgd { moves, .. } => [moves, false, false],
        }
    }
}

/// Returns the numbers of a step that may change from step to step: for Adam the step size and `1 / correction`, for RMSprop the
/// learning rate, for gradient descent the learning rate and `1 - dampening`; and the factor of decoupled weight decay.
pub(crate) fn sizes_of(step: HostStep) -> [f64; SIZES] {
    match step {
        HostStep::Adam { step, decay } => [step.step_size, 1.0 / step.correction, decay],
        HostStep::RmsProp(step) => [step.learning_rate, 0.0, 1.0],
        HostStep::Sgd(step) => [step.learning_rate, 1.0 - step.dampening, 1.0],
    }
}

/// One parameter after a step, and its elements of the vectors of the state.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Stepped {
    pub parameter: f32,
    pub first: f32,
    pub second: f32,
    pub third: f32,
}

/// Writes the formula of an optimiser into the kernel. What the state does not have is 0.
#[cube]
#[allow(unused_variables, clippy::too_many_arguments)]
pub(super) fn step_of(
    parameter: f32,
    gradient: f32,
    first: f32,
    second: f32,
    third: f32,
    size: f32,
    other_size: f32,
    #[comptime] rule: RulePlan,
) -> Stepped {
    intrinsic!(|scope| {
        let sizes = [size, other_size].map(|value| Emitted::Value(scope, value));
        let numbers = [parameter, gradient, first, second, third].map(|value| Emitted::Value(scope, value));
        let [parameter, gradient, first, second, third] = numbers.map(Dual::<_, 0>::constant);
        let [parameter, first, second, third] =
            after(rule, sizes, parameter, gradient, [first, second, third]).map(|number| number.value.value(scope));
        SteppedExpand { parameter, first, second, third }
    })
}

/// Returns the parameter and the vectors of the state after a step.
fn after<'s>(
    rule: RulePlan,
    sizes: [Emitted<'s>; 2],
    parameter: Dual<Emitted<'s>, 0>,
    gradient: Dual<Emitted<'s>, 0>,
    [first, second, third]: [Dual<Emitted<'s>, 0>; 3],
) -> [Dual<Emitted<'s>, 0>; 4] {
    let number = f64::from_bits;
    match rule {
        RulePlan::Adam { betas: [beta_1, beta_2], epsilon, weight_decay } => {
            let [beta_1, beta_2, epsilon, weight_decay] = [beta_1, beta_2, epsilon, weight_decay].map(number);
            let step = AdamStep { beta_1, beta_2, epsilon, weight_decay, step_size: 0.0, correction: 1.0 };
            let [parameter, first, second] = formula::adam_of_size(step, sizes, parameter, gradient, [first, second]);
            [parameter, first, second, third]
        }
        RulePlan::RmsProp { alpha, epsilon, momentum, weight_decay, vectors: [averages, moves] } => {
            let [alpha, epsilon, momentum, weight_decay] = [alpha, epsilon, momentum, weight_decay].map(number);
            let step = RmsPropStep { alpha, epsilon, momentum, weight_decay, learning_rate: 0.0 };
            let average = averages.then_some(second);
            let velocity = moves.then_some(third);
            let [learning_rate, _] = sizes;
            let after = formula::rms_prop_of_size(step, learning_rate, parameter, gradient, first, average, velocity);
            let (average, velocity) = (after.gradient_average, after.velocity);
            [after.parameters, after.square_average, average.unwrap_or(second), velocity.unwrap_or(third)]
        }
        RulePlan::Sgd { momentum, weight_decay, nesterov, moves } => {
            let [momentum, weight_decay] = [momentum, weight_decay].map(number);
            let step = SgdStep { momentum, dampening: 0.0, weight_decay, nesterov, learning_rate: 0.0 };
            let velocity = moves.then_some(first);
            let (parameter, velocity) = formula::sgd_of_size(step, sizes, parameter, gradient, velocity);
            [parameter, velocity.unwrap_or(first), second, third]
        }
    }
}
