//! The layers of a perceptron as one operation.

use burn::{
    backend::{TensorMetadata, flex::FlexTensor},
    nn::Linear,
    tensor::Tensor,
};

use super::primitive::{Primitive, Stored, by_float_type, part, record};
use crate::kernel::{
    Activation, MOST_LAYERS,
    host::{Chain, Network, NetworkGradients, Trace, backward, forward},
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
    let with_input = input.is_tracked();
    let are_tracked =
        |layer: &Linear| layer.weight.val().is_tracked() || layer.bias.iter().any(|bias| bias.val().is_tracked());
    let tracked = (with_input || layers.iter().any(are_tracked)).then_some(Tracked { with_input });
    let mut primitives = vec![Primitive::of(input.clone())?];
    for layer in layers {
        primitives.push(Primitive::of(layer.weight.val())?);
        primitives.push(Primitive::of(layer.bias.as_ref()?.val())?);
    }
    let mut values = primitives.iter().map(Primitive::values);
    let (input, parameters) = (values.next()?, values.collect());
    by_float_type!(input.dtype(), T => run::<T>(primitives, input, parameters, activation, activate_last, tracked.as_ref()))
        .flatten()
}

/// What needs gradients: the parameters, and maybe the input.
struct Tracked {
    with_input: bool,
}

/// Computes the perceptron. `input`, of shape `[B, inputs]`, has the elements of the first of `primitives`, and
/// `parameters` have those of the others: weights and biases of each layer in turn. `tracked` is `None` if nothing
/// needs a gradient.
fn run<T: Stored>(
    primitives: Vec<Primitive>,
    input: FlexTensor,
    parameters: Vec<FlexTensor>,
    activation: Activation,
    activate_last: bool,
    tracked: Option<&Tracked>,
) -> Option<Tensor<2>> {
    let layers = || parameters.as_chunks().0.iter().map(|[weight, bias]| (T::elements(weight), T::elements(bias)));
    let shape = [input.shape()[0], parameters.last()?.shape()[0]];
    let Some(&Tracked { with_input }) = tracked else {
        let output = Network::new(layers(), activation, activate_last).infer_many(T::elements(&input));
        return Some(record(primitives, T::tensor(output, &shape), |_, _| Vec::new()));
    };
    let sizes: Vec<[usize; 2]> = layers().map(|(weight, bias)| [weight.len() / bias.len(), bias.len()]).collect();
    let mut chain = Chain::new(&sizes, activation, activate_last, with_input);
    chain.load(&layers().flat_map(|(weight, bias)| [weight, bias]).collect::<Vec<_>>().concat());
    let traces = forward(&chain, T::elements(&input));
    let output: Vec<T> = traces.iter().flat_map(Trace::output).copied().collect();
    Some(record(primitives, T::tensor(output, &shape), move |output_gradient, wanted| {
        let gradients = backward(&chain, T::elements(&input), &traces, T::elements(output_gradient));
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
