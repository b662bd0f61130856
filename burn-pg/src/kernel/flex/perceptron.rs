//! The layers of a perceptron as one operation.

use burn::{
    backend::{Flex, TensorMetadata, flex::FlexTensor},
    nn::Linear,
    tensor::Tensor,
};

use super::primitive::{Primitive, Stored, by_float_type, part, record};
use crate::kernel::{
    Activation, MOST_LAYERS,
    host::{Network, NetworkGradients},
};

/// Computes [`perceptron`](crate::kernel::perceptron). `None` if there is no kernel for the backend or the float type
/// of a tensor, if a layer has no biases, or if there are more than [`MOST_LAYERS`] layers.
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

/// Computes the perceptron. `input`, of shape `[B, inputs]`, has the elements of the first of `primitives`, and
/// `parameters` have those of the others: weights and biases of each layer in turn.
fn run<T: Stored>(
    primitives: Vec<Primitive>,
    input: FlexTensor,
    parameters: Vec<FlexTensor>,
    activation: Activation,
    activate_last: bool,
) -> Option<Tensor<2>> {
    let layers = parameters.as_chunks().0.iter().map(|[weight, bias]| (T::elements(weight), T::elements(bias)));
    let network = Network::new(layers, activation, activate_last);
    let shape = [input.shape()[0], parameters.last()?.shape()[0]];
    if primitives.iter().all(Primitive::is_plain) {
        let output = network.infer_many(T::elements(&input));
        return Some(Tensor::from_primitive::<Flex>(T::tensor(output, &shape)));
    }
    let trace = network.forward(T::elements(&input));
    let output = T::tensor(trace.outputs.last()?.to_vec(), &shape);
    Some(record(primitives, output, move |output_gradient, wanted| {
        let weights: Vec<&[T]> = parameters.iter().step_by(2).map(T::elements).collect();
        let output_gradient = T::elements(output_gradient);
        let gradients = network.backward(&weights, T::elements(&input), &trace, output_gradient, wanted[0]);
        let NetworkGradients { parameters: parameter_gradients, input: input_gradient } = gradients;
        let mut gradients = Vec::new();
        if wanted[0] {
            gradients.push(T::tensor(input_gradient, &input.shape()));
        }
        let len = parameter_gradients.len();
        let (parameter_gradients, mut start) = (T::tensor(parameter_gradients, &[len]), 0);
        for (parameter, wanted) in parameters.iter().zip(&wanted[1..]) {
            let shape = parameter.shape();
            if *wanted {
                gradients.push(part(&parameter_gradients, start, &shape));
            }
            start += shape.num_elements();
        }
        gradients
    }))
}
