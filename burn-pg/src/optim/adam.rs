//! Adam.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Optimiser, OptimiserState, OptimiserStateError,
    host::{HostRule, HostStep},
    hyperparameter::{HyperparameterError, Hyperparameters},
};
use crate::kernel::{
    adam_step,
    formula::{AdamStep, adam},
};

/// The hyperparameters of [`Adam`]. The defaults are PyTorch's, except for epsilon.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdamSpec {
    /// Decay of the mean of gradients, 0 to below 1. Default 0.9.
    pub beta_1: f64,
    /// Decay of the mean of squared gradients, 0 to below 1. Default 0.999.
    pub beta_2: f64,
    /// Added to the denominator, more than 0. Default 1e-5 as in CleanRL and OpenAI's baselines (PyTorch: 1e-8).
    pub epsilon: f64,
    /// Weight of `|x|^2 / 2` as a part of the loss, 0 or more. Default 0.
    pub weight_decay: f64,
}

impl Default for AdamSpec {
    fn default() -> Self {
        Self { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-5, weight_decay: 0.0 }
    }
}

impl AdamSpec {
    /// Checks every hyperparameter.
    ///
    /// # Errors
    /// [`HyperparameterError`] for the first one that is out of range.
    pub fn validate(&self) -> Result<(), HyperparameterError> {
        let of = Hyperparameters { optimiser: "adam" };
        of.check_decay("beta_1", self.beta_1)?;
        of.check_decay("beta_2", self.beta_2)?;
        of.check_positive("epsilon", self.epsilon)?;
        of.check_not_negative("weight_decay", self.weight_decay)
    }

    /// Returns the coefficients of step number `step`, counted from 1.
    pub(super) fn at(&self, step: u64, learning_rate: f64) -> AdamStep {
        let Self { beta_1, beta_2, epsilon, weight_decay } = *self;
        // `powi` takes an `i32`. Both powers are 0 long before `i32::MAX` steps.
        let power = i32::try_from(step).unwrap_or(i32::MAX);
        let step_size = learning_rate / (1.0 - beta_1.powi(power));
        let correction = (1.0 - beta_2.powi(power)).sqrt();
        AdamStep { beta_1, beta_2, epsilon, weight_decay, step_size, correction }
    }
}

/// Adam, as PyTorch defines it:
///
/// ```text
/// g = g + weight_decay x
/// m = beta_1 m + (1 - beta_1) g           v = beta_2 v + (1 - beta_2) g^2
/// x = x - lr m' / (sqrt(v') + epsilon)    m' = m / (1 - beta_1^t),  v' = v / (1 - beta_2^t)
/// ```
///
/// The state holds m as `first_moment` and v as `second_moment`, each of shape `[P]`.
///
/// Source: D. Kingma, J. Ba, *Adam: a method for stochastic optimization* (2015).
#[derive(Debug, Clone)]
pub struct Adam {
    spec: AdamSpec,
    state: OptimiserState,
}

impl Adam {
    pub(super) const MOMENTS: [&str; 2] = ["first_moment", "second_moment"];

    /// Creates Adam, before its first step.
    #[must_use]
    pub fn new(spec: AdamSpec) -> Self {
        Self { spec, state: OptimiserState::default() }
    }
}

impl Optimiser for Adam {
    fn step(&mut self, learning_rate: f64, parameters: Tensor<1>, gradient: Tensor<1>) -> Tensor<1> {
        self.state.steps += 1;
        let step = self.spec.at(self.state.steps, learning_rate);
        let moments = Self::MOMENTS.map(|name| self.state.tensors.remove(name));
        let [parameters, first, second] =
            adam_step(step, &parameters, &gradient, moments.each_ref().map(Option::as_ref)).unwrap_or_else(|| {
                let moments = moments.map(|moment| moment.unwrap_or_else(|| gradient.zeros_like()));
                adam(step, parameters, gradient, moments)
            });
        self.state.tensors.extend(Self::MOMENTS.map(str::to_owned).into_iter().zip([first, second]));
        parameters
    }

    fn host_rule(&self) -> Option<HostRule> {
        let (spec, [first, second]) = (self.spec, Self::MOMENTS);
        Some(HostRule::new([Some(first), Some(second), None], move |step, learning_rate| HostStep::Adam {
            step: spec.at(step, learning_rate),
            decay: 1.0,
        }))
    }

    fn state(&self) -> OptimiserState {
        self.state.clone()
    }

    fn set_state(&mut self, state: OptimiserState) -> Result<(), OptimiserStateError> {
        state.check(&Self::MOMENTS)?;
        self.state = state;
        Ok(())
    }
}
