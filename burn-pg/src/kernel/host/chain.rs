//! Chains of layers, through which a block of rows goes forward and backward.

use super::{
    activation::{activate, activation_backward},
    product::{Affine, add_outer_products, add_rows},
    real::Real,
};
use crate::kernel::Activation;

/// The layers of a perceptron, each stored in the order in which it is read, for both directions.
#[derive(Debug, Clone)]
pub(crate) struct Chain<T> {
    layers: Vec<Affine<T>>,
    /// The transposes, which take gradients to the layer below; of the first layer only if the
    /// gradient with respect to its inputs is wanted.
    back: Vec<Affine<T>>,
    activation: Activation,
    /// True if the activation also follows the last layer.
    activate_last: bool,
}

/// What the backward pass needs to know of the forward pass of a block of rows. Its memory is reused.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trace<T> {
    /// The outputs of the layers, of shape `[rows, outputs]` each.
    outputs: Vec<Vec<T>>,
    /// The derivatives of the activation, of the same shapes; empty if they can be computed from the outputs.
    derivatives: Vec<Vec<T>>,
}

impl<T> Trace<T> {
    /// Returns the outputs of the last layer.
    pub fn output(&self) -> &[T] {
        self.outputs.last().map_or(&[], |outputs| outputs)
    }
}

/// The gradient of a block of rows on its way back. Its memory is reused.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gradient<T> {
    /// With respect to the outputs of the last layer before the backward pass, and with respect to the inputs of the
    /// first layer after it, if that is wanted.
    pub values: Vec<T>,
    below: Vec<T>,
}

impl<T: Real> Chain<T> {
    /// Creates a chain of layers with these numbers of inputs and outputs, without weights.
    pub fn new(sizes: &[[usize; 2]], activation: Activation, activate_last: bool, with_input: bool) -> Self {
        let zeros = |&[inputs, outputs]: &[usize; 2]| vec![T::zero(); inputs * outputs];
        let layers = sizes.iter().map(|size| Affine::new(&zeros(size), &vec![T::zero(); size[1]])).collect();
        let below = &sizes[usize::from(!with_input)..];
        let back = below.iter().map(|size| Affine::transposed(&zeros(size), size[1])).collect();
        Self { layers, back, activation, activate_last }
    }

    /// Number of inputs of the first layer.
    pub fn inputs(&self) -> usize {
        self.layers[0].inputs()
    }

    /// Number of outputs of the last layer.
    pub fn outputs(&self) -> usize {
        self.layers[self.layers.len() - 1].outputs()
    }

    /// True if [`backward`](Self::backward) computes the gradient with respect to the inputs.
    pub fn has_input_gradient(&self) -> bool {
        self.back.len() == self.layers.len()
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(|layer| (layer.inputs() + 1) * layer.outputs()).sum()
    }

    /// Sets the parameters as [`load`](Self::load), with biases of 0.
    pub fn load_without_biases(&mut self, parameters: &[T]) {
        let (mut parameters, mut start) = (parameters.to_vec(), 0);
        for layer in &self.layers {
            let end = start + (layer.inputs() + 1) * layer.outputs();
            parameters[end - layer.outputs()..end].fill(T::zero());
            start = end;
        }
        self.load(&parameters);
    }

    /// Sets the parameters: weights (row-major, shape `[inputs, outputs]`) and biases of each layer in turn.
    pub fn load(&mut self, mut parameters: &[T]) {
        let missing = self.layers.len() - self.back.len();
        for (i, layer) in self.layers.iter_mut().enumerate() {
            let (inputs, outputs) = (layer.inputs(), layer.outputs());
            let (weight, rest) = parameters.split_at(inputs * outputs);
            let (bias, rest) = rest.split_at(outputs);
            parameters = rest;
            layer.load(weight, bias);
            if i >= missing {
                self.back[i - missing].load_transposed(weight, outputs);
            }
        }
    }

    /// Takes rows of inputs through all layers.
    pub fn forward(&self, input: &[T], trace: &mut Trace<T>) {
        let rows = input.len() / self.layers[0].inputs();
        trace.outputs.resize_with(self.layers.len(), Vec::new);
        trace.derivatives.resize_with(self.layers.len(), Vec::new);
        for (i, layer) in self.layers.iter().enumerate() {
            let (before, rest) = trace.outputs.split_at_mut(i);
            let (input, output) = (before.last().map_or(input, |last| last), &mut rest[0]);
            output.resize(rows * layer.outputs(), T::zero());
            layer.apply(input, output);
            if self.is_activated(i) {
                activate(self.activation, output, &mut trace.derivatives[i]);
            }
        }
    }

    /// Takes a gradient back through all layers, and adds the gradients of the parameters to `sums`, in the order of
    /// [`load`](Self::load). `input` is that of the forward pass.
    pub fn backward(&self, input: &[T], trace: &Trace<T>, gradient: &mut Gradient<T>, sums: &mut [T]) {
        let (Trace { outputs, derivatives }, Gradient { values: gradient, below }) = (trace, gradient);
        let (mut end, missing) = (sums.len(), self.layers.len() - self.back.len());
        for (i, layer) in self.layers.iter().enumerate().rev() {
            let size = (layer.inputs(), layer.outputs());
            if self.is_activated(i) {
                activation_backward(self.activation, &outputs[i], &derivatives[i], gradient);
            }
            let start = end - (size.0 + 1) * size.1;
            let (weight_sum, bias_sum) = sums[start..end].split_at_mut(size.0 * size.1);
            end = start;
            add_outer_products(if i == 0 { input } else { &outputs[i - 1] }, size.0, gradient, size.1, weight_sum);
            add_rows(gradient, bias_sum);
            if i < missing {
                break;
            }
            below.resize(gradient.len() / size.1 * size.0, T::zero());
            self.back[i - missing].apply(gradient, below);
            std::mem::swap(gradient, below);
        }
    }

    /// Computes how the outputs change (shape `[rows, outputs]`) when the parameters change by those of `direction` and the
    /// inputs by `tangent`, which is replaced; it is empty if the inputs do not change. `linear` is this chain without
    /// biases. `input` and `trace` are those of the forward pass.
    pub fn tangent(&self, [linear, direction]: [&Self; 2], input: &[T], trace: &Trace<T>, tangent: &mut Vec<T>) {
        let mut of_weights = Vec::new();
        for (i, layer) in direction.layers.iter().enumerate() {
            let input = if i == 0 { input } else { &trace.outputs[i - 1] };
            of_weights.resize(input.len() / layer.inputs() * layer.outputs(), T::zero());
            layer.apply(input, &mut of_weights);
            if !tangent.is_empty() {
                let mut of_input = vec![T::zero(); of_weights.len()];
                linear.layers[i].apply(tangent, &mut of_input);
                add_rows(&of_input, &mut of_weights);
            }
            if self.is_activated(i) {
                activation_backward(self.activation, &trace.outputs[i], &trace.derivatives[i], &mut of_weights);
            }
            std::mem::swap(tangent, &mut of_weights);
        }
    }

    fn is_activated(&self, layer: usize) -> bool {
        self.activate_last || layer + 1 < self.layers.len()
    }
}
