//! Distributions over actions, one thread a row.

use burn::tensor::DType;
use burn_pg_envs::{
    Space,
    device::{Random, single},
};
use cubecl::prelude::*;

use super::number::Emitted;
use crate::{
    distribution::{largest_log, squashed_entropy},
    kernel::formula::{self, Dual, Value},
    policy::{FlatHead, LOG_STD, LogStd},
};

/// How outputs of the actor become a distribution, as a constant of kernels.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum DeviceHead {
    /// Logits of components with these numbers of actions.
    Logits(Vec<usize>),
    /// Logits of components that are true or false.
    Bernoulli(usize),
    /// Means of this number of components, and the logarithms of their standard deviations. If `squash` is true, the action is the
    /// hyperbolic tangent of what is drawn and recorded.
    Gaussian { components: usize, log_std: DeviceLogStd, squash: bool },
}

/// Where logarithms of standard deviations come from; see [`LogStd`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum DeviceLogStd {
    /// From this place on in the parameters.
    Parameters(usize),
    /// Outputs of the actor behind the means, plus an offset with these bits.
    Outputs { offset: u64 },
}

impl DeviceHead {
    /// Returns the head for an actor with `outputs` outputs.
    pub fn new(head: &FlatHead, outputs: usize) -> Self {
        match head {
            FlatHead::Logits(sizes) => Self::Logits(sizes.clone()),
            FlatHead::Bernoulli => Self::Bernoulli(outputs),
            FlatHead::Gaussian { log_std, squash } => {
                let (components, log_std) = match log_std {
                    LogStd::Parameters(place) => (outputs, DeviceLogStd::Parameters(place.start)),
                    LogStd::Outputs { offset } => (outputs / 2, DeviceLogStd::Outputs { offset: offset.to_bits() }),
                };
                Self::Gaussian { components, log_std, squash: *squash }
            }
        }
    }

    /// Number of components of an action.
    pub fn components(&self) -> usize {
        match self {
            Self::Logits(sizes) => sizes.len(),
            Self::Bernoulli(components) | Self::Gaussian { components, .. } => *components,
        }
    }

    /// Number of logarithms of standard deviations that are parameters.
    pub fn log_stds(&self) -> usize {
        match self {
            Self::Gaussian { components, log_std: DeviceLogStd::Parameters(_), .. } => *components,
            _ => 0,
        }
    }

    /// Where the logarithms of standard deviations are in the parameters; 0 if there are none.
    pub fn log_stds_at(&self) -> usize {
        match self {
            Self::Gaussian { log_std: DeviceLogStd::Parameters(place), .. } => *place,
            _ => 0,
        }
    }

    /// True if the action is the hyperbolic tangent of what is recorded.
    pub fn squashes(&self) -> bool {
        matches!(self, Self::Gaussian { squash: true, .. })
    }

    /// True if the actions are those of `space`.
    pub fn fits(&self, space: &Space) -> bool {
        match (self, space) {
            (Self::Logits(sizes), Space::Discrete { n, .. }) => sizes[..] == [*n as usize],
            (Self::Logits(sizes), Space::MultiDiscrete { sizes: of_space }) => {
                sizes.iter().copied().eq(of_space.iter().map(|&size| size as usize))
            }
            (Self::Bernoulli(components), Space::MultiBinary { n }) => *components == *n as usize,
            (Self::Gaussian { components, .. }, Space::Box { .. }) => *components == space.flat_len(),
            _ => false,
        }
    }

    /// The first output of each component.
    fn starts(&self) -> Vec<usize> {
        let mut start = 0;
        let next = |size: &usize| {
            start += size;
            start - size
        };
        match self {
            Self::Logits(sizes) => sizes.iter().map(next).collect(),
            Self::Bernoulli(components) | Self::Gaussian { components, .. } => (0..*components).collect(),
        }
    }
}

/// Draws an action. `outputs_at` is where the outputs of the actor for the row begin in `memory`. Returns the
/// log-probability.
#[cube]
pub(super) fn sample(
    parameters: &[f32],
    memory: &[f32],
    outputs_at: usize,
    action: &mut Array<f32>,
    random: &mut Random,
    #[comptime] head: DeviceHead,
) -> f32 {
    #[unroll]
    for k in 0..comptime!(head.components()) {
        let at = outputs_at + comptime!(head.starts()[k]);
        match comptime!(head.clone()) {
            DeviceHead::Logits(sizes) => {
                let size = comptime!(sizes[k]);
                let normaliser = log_normaliser(memory, at, size);
                let mut left = random.uniform(0.0, 1.0);
                let mut chosen = (size - 1usize).runtime() as u32;
                let mut found = false.runtime();
                for j in 0..size {
                    let probability = (memory[at + j] - normaliser).exp();
                    let here = !found && left < probability;
                    chosen = select(here, j as u32, chosen);
                    found = found || here;
                    left -= probability;
                }
                action[k] = f32::cast_from(chosen);
            }
            DeviceHead::Bernoulli(_) => {
                let probability = 1.0f32 / (1.0f32 + (-memory[at]).exp());
                action[k] = select(random.uniform(0.0, 1.0) < probability, 1.0f32, 0.0f32);
            }
            DeviceHead::Gaussian { components, log_std, .. } => {
                let log_std = log_std_at(parameters, memory, at, k, components, log_std);
                action[k] = memory[at] + log_std.value.exp() * random.normal();
            }
        }
    }
    evaluate(parameters, memory, outputs_at, &*action, head, false).log_prob
}

/// The log-probability of an action and the entropy of its distribution.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Evaluated {
    pub log_prob: f32,
    pub entropy: f32,
}

/// Evaluates an action under the distribution of a row. Without `with_entropy`, entropies that are costly are left out.
#[cube]
pub(super) fn evaluate(
    parameters: &[f32],
    memory: &[f32],
    outputs_at: usize,
    action: &Array<f32>,
    #[comptime] head: DeviceHead,
    #[comptime] with_entropy: bool,
) -> Evaluated {
    let mut log_prob = f32::new(0.0);
    let mut entropy = f32::new(0.0);
    #[unroll]
    for k in 0..comptime!(head.components()) {
        let at = outputs_at + comptime!(head.starts()[k]);
        match comptime!(head.clone()) {
            DeviceHead::Logits(sizes) => {
                let size = comptime!(sizes[k]);
                let normaliser = log_normaliser(memory, at, size);
                log_prob += memory[at + u32::cast_from(action[k]) as usize] - normaliser;
                entropy += entropy_of_logits(memory, at, normaliser, size);
            }
            DeviceHead::Bernoulli(_) => {
                let component = bernoulli(action[k], memory[at]);
                log_prob += component.log_prob;
                entropy += component.entropy;
            }
            DeviceHead::Gaussian { components, log_std, squash } => {
                let log_std = log_std_at(parameters, memory, at, k, components, log_std);
                let component = gaussian(action[k], memory[at], log_std.value, squash, with_entropy);
                log_prob += component.log_prob;
                entropy += component.entropy;
            }
        }
    }
    Evaluated { log_prob, entropy }
}

/// Replaces the outputs of the actor for a row by the derivatives of the objective with respect to them, given those with
/// respect to log-probability and entropy. The derivatives with respect to logarithms of standard deviations are written to
/// `of_log_stds`, from `log_stds_at` on.
#[cube]
#[allow(clippy::too_many_arguments)]
pub(super) fn differentiate(
    parameters: &[f32],
    memory: &mut [f32],
    outputs_at: usize,
    of_log_stds: &mut [f32],
    log_stds_at: usize,
    action: &Array<f32>,
    outer: Evaluated,
    #[comptime] head: DeviceHead,
    #[comptime] with_entropy: bool,
) {
    #[unroll]
    for k in 0..comptime!(head.components()) {
        let at = outputs_at + comptime!(head.starts()[k]);
        match comptime!(head.clone()) {
            DeviceHead::Logits(sizes) => {
                let size = comptime!(sizes[k]);
                let normaliser = log_normaliser(&*memory, at, size);
                let entropy = entropy_of_logits(&*memory, at, normaliser, size);
                let chosen = u32::cast_from(action[k]) as usize;
                for j in 0..size {
                    let log_probability = memory[at + j] - normaliser;
                    let probability = log_probability.exp();
                    let taken = select(j == chosen, 1.0f32, 0.0f32);
                    memory[at + j] = outer.log_prob * (taken - probability)
                        - outer.entropy * probability * (log_probability + entropy);
                }
            }
            DeviceHead::Bernoulli(_) => {
                let component = bernoulli(action[k], memory[at]);
                memory[at] =
                    outer.log_prob * component.log_prob_of_output + outer.entropy * component.entropy_of_output;
            }
            DeviceHead::Gaussian { components, log_std: kind, squash } => {
                let log_std = log_std_at(parameters, &*memory, at, k, components, kind);
                let component = gaussian(action[k], memory[at], log_std.value, squash, with_entropy);
                memory[at] =
                    outer.log_prob * component.log_prob_of_output + outer.entropy * component.entropy_of_output;
                let of_log_std =
                    outer.log_prob * component.log_prob_of_log_std + outer.entropy * component.entropy_of_log_std;
                match comptime!(kind) {
                    DeviceLogStd::Parameters(_) => of_log_stds[log_stds_at + k] = of_log_std,
                    DeviceLogStd::Outputs { .. } => memory[at + components] = of_log_std * log_std.derivative,
                }
            }
        }
    }
}

/// Returns the logarithm of the sum of the exponentials of logits.
#[cube]
fn log_normaliser(memory: &[f32], at: usize, #[comptime] size: usize) -> f32 {
    let mut largest = memory[at];
    for j in 1..size {
        largest = max(largest, memory[at + j]);
    }
    let mut sum = f32::new(0.0);
    for j in 0..size {
        sum += (memory[at + j] - largest).exp();
    }
    largest + sum.ln()
}

/// Returns the entropy of logits.
#[cube]
fn entropy_of_logits(memory: &[f32], at: usize, normaliser: f32, #[comptime] size: usize) -> f32 {
    let mut entropy = f32::new(0.0);
    for j in 0..size {
        let log_probability = memory[at + j] - normaliser;
        entropy -= log_probability.exp() * log_probability;
    }
    entropy
}

/// The logarithm of a standard deviation, and its derivative with respect to an output of the actor.
#[derive(CubeType, Clone, Copy)]
struct LogStdAt {
    value: f32,
    derivative: f32,
}

/// Returns the logarithm of the standard deviation of component `k`, whose mean is at `at`.
#[cube]
fn log_std_at(
    parameters: &[f32],
    memory: &[f32],
    at: usize,
    #[comptime] k: usize,
    #[comptime] components: usize,
    #[comptime] log_std: DeviceLogStd,
) -> LogStdAt {
    match comptime!(log_std) {
        DeviceLogStd::Parameters(place) => {
            LogStdAt { value: parameters[comptime!(place + k)], derivative: f32::new(1.0) }
        }
        DeviceLogStd::Outputs { offset } => {
            let raw = memory[at + components] + single(comptime!(f64::from_bits(offset)));
            let value = clamp(raw, single(LOG_STD.0), single(LOG_STD.1));
            LogStdAt { value, derivative: select(raw == value, 1.0f32, 0.0f32) }
        }
    }
}

/// A component of an action that has one output of the actor, with derivatives.
#[derive(CubeType, Clone, Copy)]
struct Component {
    log_prob: f32,
    entropy: f32,
    log_prob_of_output: f32,
    entropy_of_output: f32,
    log_prob_of_log_std: f32,
    entropy_of_log_std: f32,
}

/// Writes a formula into a kernel, with its derivatives with respect to output and logarithm of the standard deviation.
fn component<'s>(scope: &'s Scope, [log_prob, entropy]: [Dual<Emitted<'s>, 2>; 2]) -> ComponentExpand {
    let value = |value: Emitted<'_>| value.value(scope);
    ComponentExpand {
        log_prob: value(log_prob.value),
        entropy: value(entropy.value),
        log_prob_of_output: value(log_prob.derivatives[0]),
        entropy_of_output: value(entropy.derivatives[0]),
        log_prob_of_log_std: value(log_prob.derivatives[1]),
        entropy_of_log_std: value(entropy.derivatives[1]),
    }
}

/// A component with a normal distribution, squashed or not. Without `with_entropy` the entropy is 0.
#[cube]
#[allow(unused_variables)]
fn gaussian(
    action: f32,
    mean: f32,
    log_std: f32,
    #[comptime] squash: bool,
    #[comptime] with_entropy: bool,
) -> Component {
    intrinsic!(|scope| {
        let [action, mean, log_std] = [action, mean, log_std].map(|value| Emitted::Value(scope, value));
        let (mean, log_std) = (Dual::variable(mean, 0), Dual::variable(log_std, 1));
        let limit = Value::constant(largest_log(DType::F32).into());
        let action = Dual::constant(action);
        let mut log_prob = formula::log_density(&action, &mean, &log_std, limit);
        if squash {
            log_prob = log_prob - formula::tanh_log_derivative(&action);
        }
        let entropy = match (with_entropy, squash) {
            (false, _) => Dual::constant(Value::zero()),
            (true, false) => formula::normal_entropy(&log_std),
            (true, true) => squashed_entropy(&mean, &log_std),
        };
        component(scope, [log_prob, entropy])
    })
}

/// A component that is true with the probability of a logit.
#[cube]
#[allow(unused_variables)]
fn bernoulli(action: f32, logit: f32) -> Component {
    intrinsic!(|scope| {
        let [action, logit] = [action, logit].map(|value| Emitted::Value(scope, value));
        let (sign, logit) = (Dual::constant(action + action - Value::one()), Dual::variable(logit, 0));
        component(scope, [formula::bernoulli_log_prob(&logit, &sign), formula::bernoulli_entropy(&logit)])
    })
}
