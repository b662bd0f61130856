//! Stochastic gradient descent.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Optimiser, OptimiserState, OptimiserStateError,
    decay::add_weight_decay,
    hyperparameter::{HyperparameterError, Hyperparameters},
};

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

    /// Updates the velocity, and returns the direction of the step.
    fn accelerate(&mut self, gradient: Tensor<1>) -> Tensor<1> {
        let SgdSpec { momentum, dampening, nesterov, .. } = self.spec;
        let new = match self.state.steps {
            // The first gradient is not dampened.
            1 => gradient.clone(),
            _ => gradient.clone().mul_scalar(1.0 - dampening),
        };
        let velocity = self.state.decayed_sum(Self::VELOCITY, momentum, new);
        if nesterov { gradient + velocity.mul_scalar(momentum) } else { velocity }
    }
}

impl Optimiser for Sgd {
    fn step(&mut self, learning_rate: f64, parameters: Tensor<1>, gradient: Tensor<1>) -> Tensor<1> {
        self.state.steps += 1;
        let gradient = add_weight_decay(gradient, &parameters, self.spec.weight_decay);
        let direction = if self.spec.momentum > 0.0 { self.accelerate(gradient) } else { gradient };
        parameters - direction.mul_scalar(learning_rate)
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
