//! The layers of a perceptron as one operation.

use burn::{
    backend::{Flex, TensorMetadata, flex::FlexTensor},
    nn::Linear,
    tensor::Tensor,
};

use super::primitive::{Primitive, Stored, by_float_type, part, record};
use crate::kernel::{
    Activation, MOST_LAYERS,
    host::{Network, Slopes},
};

/// Computes [`perceptron`](crate::kernel::perceptron). `None` if a tensor is not one of the `flex` backend or is of a
/// float type without a kernel, a layer has no biases, or there are more than [`MOST_LAYERS`] layers.
pub fn perceptron(
    input: &Tensor<2>,
    layers: &[Linear],
    activation: Activation,
    activate_last: bool,
) -> Option<Tensor<2>> {
    if layers.len() > MOST_LAYERS {
        return None;
    }
    let mut primitives = vec![Primitive::of(input.clone())?];
    for layer in layers {
        primitives.push(Primitive::of(layer.weight.val())?);
        primitives.push(Primitive::of(layer.bias.as_ref()?.val())?);
    }
    let mut values = primitives.iter().map(Primitive::values);
    let (input, parameters) = (values.next()?, values.collect());
    by_float_type!(input.dtype(), T => run::<T>(primitives, input, parameters, activation, activate_last)).flatten()
}

/// Computes the perceptron. `input` has the elements of the first of `primitives`, of shape `[B, inputs]`, and
/// `parameters` those of the others: weights and biases of each layer in turn.
fn run<T: Stored>(
    primitives: Vec<Primitive>,
    input: FlexTensor,
    parameters: Vec<FlexTensor>,
    activation: Activation,
    activate_last: bool,
) -> Option<Tensor<2>> {
    let layers = parameters.as_chunks().0.iter().map(|[weight, bias]| (T::numbers(weight), T::numbers(bias)));
    let network = Network::new(layers, activation, activate_last);
    let shape = [input.shape()[0], parameters.last()?.shape()[0]];
    if primitives.iter().all(Primitive::is_plain) {
        let output = network.infer_many(T::numbers(&input));
        return Some(Tensor::from_primitive::<Flex>(T::tensor(output, &shape)));
    }
    let trace = network.forward(T::numbers(&input));
    let output = T::tensor(trace.outputs.last()?.to_vec(), &shape);
    Some(record(primitives, output, move |slope, wanted| {
        let weights: Vec<&[T]> = parameters.iter().step_by(2).map(T::numbers).collect();
        let slopes = network.backward(&weights, T::numbers(&input), &trace, T::numbers(slope), wanted[0]);
        let Slopes { parameters: parameter_slopes, input: input_slope } = slopes;
        let mut gradients = Vec::new();
        if wanted[0] {
            gradients.push(T::tensor(input_slope, &input.shape()));
        }
        let len = parameter_slopes.len();
        let (parameter_slopes, mut start) = (T::tensor(parameter_slopes, &[len]), 0);
        for (parameter, wanted) in parameters.iter().zip(&wanted[1..]) {
            let shape = parameter.shape();
            if *wanted {
                gradients.push(part(&parameter_slopes, start, &shape));
            }
            start += shape.num_elements();
        }
        gradients
    }))
}
