//! Adam with decoupled weight decay.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Adam, AdamSpec, Optimiser, OptimiserState, OptimiserStateError,
    host::{HostRule, HostStep},
    hyperparameter::{HyperparameterError, Hyperparameters},
};

/// The hyperparameters of [`AdamW`]. The defaults are PyTorch's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdamWSpec {
    /// Decay of the mean of gradients, 0 to below 1. Default 0.9.
    pub beta_1: f64,
    /// Decay of the mean of squared gradients, 0 to below 1. Default 0.999.
    pub beta_2: f64,
    /// Added to the denominator, more than 0. Default 1e-8.
    pub epsilon: f64,
    /// Weight decay, 0 or more: a step shrinks the weights by the share `lr weight_decay`. Default 0.01.
    pub weight_decay: f64,
}

impl Default for AdamWSpec {
    fn default() -> Self {
        Self { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, weight_decay: 0.01 }
    }
}

impl AdamWSpec {
    /// Checks every hyperparameter.
    ///
    /// # Errors
    /// [`HyperparameterError`] for the first one that is out of range.
    pub fn validate(&self) -> Result<(), HyperparameterError> {
        let of = Hyperparameters { optimiser: "adamw" };
        of.check_decay("beta_1", self.beta_1)?;
        of.check_decay("beta_2", self.beta_2)?;
        of.check_positive("epsilon", self.epsilon)?;
        of.check_not_negative("weight_decay", self.weight_decay)
    }

    /// Returns the factor of the parameters before a step.
    fn decay(&self, learning_rate: f64) -> f64 {
        1.0 - learning_rate * self.weight_decay
    }

    /// Returns the hyperparameters of the step of Adam.
    fn moments(&self) -> AdamSpec {
        let Self { beta_1, beta_2, epsilon, .. } = *self;
        AdamSpec { beta_1, beta_2, epsilon, weight_decay: 0.0 }
    }
}

/// AdamW, as PyTorch defines it: the weight decay does not enter the moments,
///
/// ```text
/// x = (1 - lr weight_decay) x,   then a step of Adam without weight decay
/// ```
///
/// The state is that of [`Adam`].
///
/// Source: I. Loshchilov, F. Hutter, *Decoupled weight decay regularization* (2019).
#[derive(Debug, Clone)]
pub struct AdamW {
    spec: AdamWSpec,
    adam: Adam,
}

impl AdamW {
    /// Creates AdamW, before its first step.
    #[must_use]
    pub fn new(spec: AdamWSpec) -> Self {
        Self { spec, adam: Adam::new(spec.moments()) }
    }
}

impl Optimiser for AdamW {
    fn step(&mut self, learning_rate: f64, parameters: Tensor<1>, gradient: Tensor<1>) -> Tensor<1> {
        let parameters = parameters.mul_scalar(self.spec.decay(learning_rate));
        self.adam.step(learning_rate, parameters, gradient)
    }

    fn host_rule(&self) -> Option<HostRule> {
        let (spec, [first, second]) = (self.spec, Adam::MOMENTS);
        Some(HostRule::new([Some(first), Some(second), None], move |step, learning_rate| HostStep::Adam {
            step: spec.moments().at(step, learning_rate),
            decay: spec.decay(learning_rate),
        }))
    }

    fn state(&self) -> OptimiserState {
        self.adam.state()
    }

    fn set_state(&mut self, state: OptimiserState) -> Result<(), OptimiserStateError> {
        self.adam.set_state(state)
    }
}
