//! Perceptrons.

use burn::{nn::Linear, tensor::Tensor};

use super::Activation;

/// Applies `layers` in turn to inputs of shape `[B, D]`. A layer computes `activation(x W + b)`; the last one leaves
/// out the activation unless `activate_last`. The result has one column for each output of the last layer, and carries
/// gradients to inputs, weights and biases.
///
/// On the `flex` backend this is one operation, which computes blocks of rows on the threads of the current rayon pool;
/// the result does not depend on the number of threads. On other backends, with more than 8 layers, or if a layer has
/// no biases, this is [`perceptron_reference`].
#[must_use]
pub fn perceptron(input: Tensor<2>, layers: &[Linear], activation: Activation, activate_last: bool) -> Tensor<2> {
    super::table::perceptron_kernel(&input, layers, activation, activate_last)
        .unwrap_or_else(|| perceptron_reference(input, layers, activation, activate_last))
}

/// The reference implementation of [`perceptron`].
#[must_use]
pub fn perceptron_reference(
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
