//! The layers of a perceptron as one operation.

use std::{marker::PhantomData, sync::Arc};

use burn::{
    backend::{
        Autodiff, Flex, TensorMetadata,
        autodiff::{
            checkpoint::base::Checkpointer,
            grads::Gradients,
            ops::{Backward, NodeGuard, Ops},
        },
        flex::FlexTensor,
    },
    nn::Linear,
    tensor::{DType, Tensor},
};

use super::primitive::{Primitive, Stored, part, record};
use crate::kernel::{
    Activation, MOST_LAYERS,
    host::{Network, Slopes, Trace},
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
    let mut tensors = primitives.iter().map(Primitive::values);
    let call = Call { input: tensors.next()?, parameters: tensors.collect(), activation, activate_last };
    match call.input.dtype() {
        DType::F32 => call.run::<f32>(primitives),
        DType::F64 => call.run::<f64>(primitives),
        _ => None,
    }
}

/// The inputs and the settings of a call.
#[derive(Debug, Clone)]
struct Call {
    /// Shape `[B, inputs]`.
    input: FlexTensor,
    /// Weights and biases of each layer in turn.
    parameters: Vec<FlexTensor>,
    activation: Activation,
    activate_last: bool,
}

/// What the backward pass needs.
#[derive(Debug)]
struct Kept<T: Stored> {
    call: Call,
    network: Network<T>,
    trace: Trace<T>,
}

impl Call {
    /// Weights and biases.
    fn layers<T: Stored>(&self) -> impl Iterator<Item = (&[T], &[T])> {
        self.parameters.as_chunks().0.iter().map(|[weight, bias]| (T::numbers(weight), T::numbers(bias)))
    }

    fn run<T: Stored>(self, primitives: Vec<Primitive>) -> Option<Tensor<2>> {
        let network = Network::new(self.layers(), self.activation, self.activate_last);
        let input = T::numbers(&self.input);
        let shape = [self.input.shape()[0], self.parameters.last()?.shape()[0]];
        if primitives.iter().all(|primitive| matches!(primitive, Primitive::Plain(_))) {
            return Some(Tensor::from_primitive::<Flex>(T::tensor(network.infer_many(input), &shape)));
        }
        let trace = network.forward(input);
        let output = T::tensor(trace.outputs.last()?.to_vec(), &shape);
        let guards: Vec<NodeGuard> = primitives.into_iter().map(|input| input.into_autodiff().node()).collect();
        let kept = Arc::new(Kept { call: self, network, trace });
        let step = Step::<T>(PhantomData);
        let tensor = match guards.len() {
            3 => record::<_, 3>(step, guards, kept, output),
            5 => record::<_, 5>(step, guards, kept, output),
            7 => record::<_, 7>(step, guards, kept, output),
            9 => record::<_, 9>(step, guards, kept, output),
            11 => record::<_, 11>(step, guards, kept, output),
            13 => record::<_, 13>(step, guards, kept, output),
            15 => record::<_, 15>(step, guards, kept, output),
            17 => record::<_, 17>(step, guards, kept, output),
            _ => return None,
        };
        Some(Tensor::from_primitive::<Autodiff<Flex>>(tensor))
    }
}

/// The backward pass.
#[derive(Debug)]
struct Step<T>(PhantomData<T>);

impl<T: Stored, const N: usize> Backward<Flex, N> for Step<T> {
    type State = Arc<Kept<T>>;

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let slope = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let Kept { call, network, trace } = &*ops.state;
        let mut parents = ops.parents.into_iter();
        let input = parents.next().flatten();
        let weights: Vec<&[T]> = call.layers().map(|(weight, _)| weight).collect();
        let Slopes { parameters, input: input_slope } =
            network.backward(&weights, T::numbers(&call.input), trace, T::numbers(&slope), input.is_some());
        if let Some(node) = input {
            gradients.register::<Flex>(node.id, T::tensor(input_slope, &call.input.shape()));
        }
        let len = parameters.len();
        let (parameters, mut start) = (T::tensor(parameters, &[len]), 0);
        for (parent, parameter) in parents.zip(&call.parameters) {
            let shape = parameter.shape();
            if let Some(node) = parent {
                gradients.register::<Flex>(node.id, part(&parameters, start, &shape));
            }
            start += shape.num_elements();
        }
    }
}
