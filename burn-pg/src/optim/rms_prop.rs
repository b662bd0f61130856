//! RMSprop.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Optimiser, OptimiserState, OptimiserStateError,
    host::{HostRule, HostStep},
    hyperparameter::{HyperparameterError, Hyperparameters},
};
use crate::kernel::formula::{RmsPropStep, rms_prop};

/// The hyperparameters of [`RmsProp`]. The defaults are PyTorch's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RmsPropSpec {
    /// Decay of the mean of squared gradients, 0 to below 1. Default 0.99.
    pub alpha: f64,
    /// Added to the denominator, more than 0. Default 1e-8.
    pub epsilon: f64,
    /// Share of the last step that is added to the next, 0 to below 1. Default 0.
    pub momentum: f64,
    /// True to divide by the standard deviation of the gradients instead of their root mean square. Default false.
    pub centered: bool,
    /// Weight of `|x|^2 / 2` as a part of the loss, 0 or more. Default 0.
    pub weight_decay: f64,
}

impl Default for RmsPropSpec {
    fn default() -> Self {
        Self { alpha: 0.99, epsilon: 1e-8, momentum: 0.0, centered: false, weight_decay: 0.0 }
    }
}

impl RmsPropSpec {
    /// Checks every hyperparameter.
    ///
    /// # Errors
    /// [`HyperparameterError`] for the first one that is out of range.
    pub fn validate(&self) -> Result<(), HyperparameterError> {
        let of = Hyperparameters { optimiser: "rmsprop" };
        of.check_decay("alpha", self.alpha)?;
        of.check_positive("epsilon", self.epsilon)?;
        of.check_decay("momentum", self.momentum)?;
        of.check_not_negative("weight_decay", self.weight_decay)
    }

    /// Returns the coefficients of a step.
    pub(super) fn at(&self, learning_rate: f64) -> RmsPropStep {
        let Self { alpha, epsilon, momentum, weight_decay, .. } = *self;
        RmsPropStep { alpha, epsilon, momentum, weight_decay, learning_rate }
    }
}

/// RMSprop, as PyTorch defines it:
///
/// ```text
/// g = g + weight_decay x
/// v = alpha v + (1 - alpha) g^2
/// u = alpha u + (1 - alpha) g                               (u = 0 unless centred)
/// b = momentum b + g / (sqrt(v - u^2) + epsilon)
/// x = x - lr b
/// ```
///
/// The state holds v as `square_average`, u as `gradient_average` if centred, and b as `velocity` if there is momentum.
/// Each has shape `[P]`.
///
/// TensorFlow's RMSprop differs: v begins at 1 instead of 0, and epsilon is added under the root. Stable-Baselines3
/// offers that variant as `RMSpropTFLike`, to reproduce older results of A2C; its default is the one defined here.
///
/// Source: T. Tieleman, G. Hinton, *Lecture 6.5: RMSprop* (2012); centred: A. Graves, *Generating sequences with
/// recurrent neural networks* (2013).
#[derive(Debug, Clone)]
pub struct RmsProp {
    spec: RmsPropSpec,
    state: OptimiserState,
}

impl RmsProp {
    const SQUARE_AVERAGE: &str = "square_average";
    const GRADIENT_AVERAGE: &str = "gradient_average";
    const VELOCITY: &str = "velocity";

    /// Creates RMSprop, before its first step.
    #[must_use]
    pub fn new(spec: RmsPropSpec) -> Self {
        Self { spec, state: OptimiserState::default() }
    }

    /// Returns the names of the tensors in the state after a step.
    fn tensor_names(&self) -> Vec<&'static str> {
        let mut names = vec![Self::SQUARE_AVERAGE];
        names.extend(self.spec.centered.then_some(Self::GRADIENT_AVERAGE));
        names.extend((self.spec.momentum > 0.0).then_some(Self::VELOCITY));
        names
    }
}

impl Optimiser for RmsProp {
    fn step(&mut self, learning_rate: f64, parameters: Tensor<1>, gradient: Tensor<1>) -> Tensor<1> {
        self.state.steps += 1;
        let mut of = |name: &str| self.state.tensors.remove(name).unwrap_or_else(|| gradient.zeros_like());
        let square_average = of(Self::SQUARE_AVERAGE);
        let gradient_average = self.spec.centered.then(|| of(Self::GRADIENT_AVERAGE));
        let velocity = (self.spec.momentum > 0.0).then(|| of(Self::VELOCITY));
        let step = self.spec.at(learning_rate);
        let after = rms_prop(step, parameters, gradient, square_average, gradient_average, velocity);
        let averages = [after.gradient_average, after.velocity].into_iter().flatten();
        let tensors = [after.square_average].into_iter().chain(averages);
        self.state.tensors = self.tensor_names().into_iter().map(str::to_owned).zip(tensors).collect();
        after.parameters
    }

    fn host_rule(&self) -> Option<HostRule> {
        let spec = self.spec;
        let (average, velocity) = (spec.centered, spec.momentum > 0.0);
        let names =
            [Some(Self::SQUARE_AVERAGE), average.then_some(Self::GRADIENT_AVERAGE), velocity.then_some(Self::VELOCITY)];
        Some(HostRule::new(names, move |_, learning_rate| HostStep::RmsProp(spec.at(learning_rate))))
    }

    fn state(&self) -> OptimiserState {
        self.state.clone()
    }

    fn set_state(&mut self, state: OptimiserState) -> Result<(), OptimiserStateError> {
        state.check(&self.tensor_names())?;
        self.state = state;
        Ok(())
    }
}
