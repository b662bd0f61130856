//! Perceptrons.

use burn::{nn::Linear, tensor::Tensor};

use super::Activation;

/// Applies layers to inputs of shape `[B, D]`, one after the other: `activation(x W + b)`, without the activation in
/// the last layer unless `activate_last`. Carries gradients to inputs, weights and biases. The result has one column
/// for each output of the last layer.
///
/// On the `flex` backend it is one operation, which computes blocks of rows on the threads of the current rayon pool;
/// the result does not depend on the number of threads. On other backends, with more than 8 layers, or if a layer has
/// no biases, it is [`perceptron_of_ordinary_ops`].
#[must_use]
pub fn perceptron(input: Tensor<2>, layers: &[Linear], activation: Activation, activate_last: bool) -> Tensor<2> {
    super::table::perceptron_kernel(&input, layers, activation, activate_last)
        .unwrap_or_else(|| perceptron_of_ordinary_ops(input, layers, activation, activate_last))
}

/// The reference implementation of [`perceptron`].
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
