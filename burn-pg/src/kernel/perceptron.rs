//! Perceptrons.

use burn::{nn::Linear, tensor::Tensor};

use super::Activation;

/// Takes inputs of shape `[B, D]` through layers one after the other: `activation(x W + b)`, without the activation in the
/// last layer unless `activate_last`. Carries gradients to inputs, weights and biases. The result has as many columns as the
/// last layer.
///
/// On the `flex` backend it is one operation, which takes blocks of rows through all layers on the threads of the current
/// rayon pool, with the same result for any number of them. Elsewhere, and with more than 8 layers, it is
/// [`perceptron_of_ordinary_ops`].
#[must_use]
pub fn perceptron(input: Tensor<2>, layers: &[Linear], activation: Activation, activate_last: bool) -> Tensor<2> {
    if let Some(output) = super::table::perceptron_kernel(&input, layers, activation, activate_last) {
        return output;
    }
    perceptron_of_ordinary_ops(input, layers, activation, activate_last)
}

/// [`perceptron`], out of ordinary operations.
#[must_use]
pub fn perceptron_of_ordinary_ops(
    input: Tensor<2>,
    layers: &[Linear],
    activation: Activation,
    activate_last: bool,
) -> Tensor<2> {
    layers.iter().enumerate().fold(input, |input, (i, layer)| {
        let output = layer.forward(input);
        if activate_last || i + 1 < layers.len() { activation.apply(output) } else { output }
    })
}
