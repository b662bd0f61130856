//! Stochastic gradient descent.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Optimiser, OptimiserState, OptimiserStateError,
    host::{HostRule, HostStep},
    hyperparameter::{HyperparameterError, Hyperparameters},
};
use crate::kernel::formula::{SgdStep, sgd};

/// The hyperparameters of [`Sgd`]. The defaults are PyTorch's: plain gradient descent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SgdSpec {
    /// Share of the velocity that is kept, 0 to below 1. Default 0.
    pub momentum: f64,
    /// Share of the gradient that does not enter the velocity, 0 to 1. Default 0.
    pub dampening: f64,
    /// Weight of `|x|^2 / 2` as a part of the loss, 0 or more. Default 0.
    pub weight_decay: f64,
    /// True for Nesterov momentum. Needs momentum, and no dampening. Default false.
    pub nesterov: bool,
}

impl SgdSpec {
    /// Checks every hyperparameter.
    ///
    /// # Errors
    /// [`HyperparameterError`] for the first one that is out of range.
    pub fn validate(&self) -> Result<(), HyperparameterError> {
        let of = Hyperparameters { optimiser: "sgd" };
        of.check_decay("momentum", self.momentum)?;
        of.check_share("dampening", self.dampening)?;
        of.check_not_negative("weight_decay", self.weight_decay)?;
        let (momentum, dampening) = (self.momentum, self.dampening);
        match self.nesterov && (momentum == 0.0 || dampening > 0.0) {
            true => Err(HyperparameterError::Nesterov { momentum, dampening }),
            false => Ok(()),
        }
    }

    /// Returns the coefficients of step number `step`, counted from 1.
    pub(super) fn at(&self, step: u64, learning_rate: f64) -> SgdStep {
        let Self { momentum, dampening, weight_decay, nesterov } = *self;
        // The first gradient is not dampened.
        let dampening = if step == 1 { 0.0 } else { dampening };
        SgdStep { momentum, dampening, weight_decay, nesterov, learning_rate }
    }
}

/// Stochastic gradient descent, as PyTorch defines it:
///
/// ```text
/// g = g + weight_decay x
/// b = momentum b + (1 - dampening) g      (b = g in the first step)
/// x = x - lr b                            (Nesterov: x = x - lr (g + momentum b))
/// ```
///
/// The state holds b as `velocity`, of shape `[P]`, if there is momentum.
///
/// Source: I. Sutskever, J. Martens, G. Dahl, G. Hinton, *On the importance of initialization and momentum in deep
/// learning* (2013).
#[derive(Debug, Clone)]
pub struct Sgd {
    spec: SgdSpec,
    state: OptimiserState,
}

impl Sgd {
    const VELOCITY: &str = "velocity";

    /// Creates stochastic gradient descent, before its first step.
    #[must_use]
    pub fn new(spec: SgdSpec) -> Self {
        Self { spec, state: OptimiserState::default() }
    }
}

impl Optimiser for Sgd {
    fn step(&mut self, learning_rate: f64, parameters: Tensor<1>, gradient: Tensor<1>) -> Tensor<1> {
        self.state.steps += 1;
        let kept = self.state.tensors.remove(Self::VELOCITY);
        let velocity = (self.spec.momentum > 0.0).then(|| kept.unwrap_or_else(|| gradient.zeros_like()));
        let (parameters, velocity) = sgd(self.spec.at(self.state.steps, learning_rate), parameters, gradient, velocity);
        self.state.tensors.extend(velocity.map(|velocity| (Self::VELOCITY.to_owned(), velocity)));
        parameters
    }

    fn host_rule(&self) -> Option<HostRule> {
        let spec = self.spec;
        let velocity = (spec.momentum > 0.0).then_some(Self::VELOCITY);
        Some(HostRule::new([velocity, None, None], move |step, learning_rate| {
            HostStep::Sgd(spec.at(step, learning_rate))
        }))
    }

    fn state(&self) -> OptimiserState {
        self.state.clone()
    }

    fn set_state(&mut self, state: OptimiserState) -> Result<(), OptimiserStateError> {
        state.check(if self.spec.momentum > 0.0 { &[Self::VELOCITY] } else { &[] })?;
        self.state = state;
        Ok(())
    }
}
