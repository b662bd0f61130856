//! Activation functions.

use burn::tensor::{Tensor, activation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The activation function after each hidden layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// `tanh(x)`
    #[default]
    Tanh,
    /// `max(x, 0)`
    Relu,
    /// `x sigmoid(x)`, also called swish
    Silu,
}

impl Activation {
    /// Returns the name in settings and exports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tanh => "tanh",
            Self::Relu => "relu",
            Self::Silu => "silu",
        }
    }

    /// Applies the activation to each element. The elements must be finite.
    #[must_use]
    pub fn apply<const D: usize>(self, input: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Tanh if input.is_tracked() => tanh_from_output(input),
            Self::Tanh => activation::tanh(input),
            Self::Relu => activation::relu(input),
            Self::Silu => activation::silu(input),
        }
    }
}

/// Computes `tanh` with a gradient from its output. Burn's own `tanh` computes the hyperbolic tangent a second time in
/// the backward pass, which on a CPU is most of the cost of training.
///
/// The result is `tanh(c) + (1 - tanh(c)^2) (x - c)`, where c is the value of x as a constant: the second term is 0,
/// and its derivative is that of `tanh`.
fn tanh_from_output<const D: usize>(input: Tensor<D>) -> Tensor<D> {
    let plain = input.clone().inner();
    let output = activation::tanh(plain.clone());
    let derivative = output.clone().square().neg().add_scalar(1.0);
    let difference = input - Tensor::from_inner(plain);
    difference * Tensor::from_inner(derivative) + Tensor::from_inner(output)
}
