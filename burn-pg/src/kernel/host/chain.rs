//! Chains of layers, through which a block of rows goes forward and backward.

use super::{
    activation::{activate, activation_backward},
    product::{Affine, add_outer_products, add_rows},
    real::Real,
};
use crate::kernel::Activation;

/// The layers of a perceptron.
#[derive(Debug, Clone)]
pub(crate) struct Chain<T> {
    layers: Vec<Layer<T>>,
    activation: Activation,
    /// True if the activation also follows the last layer.
    activate_last: bool,
}

/// A linear layer, stored in the order in which it is read, for both directions.
#[derive(Debug, Clone)]
pub(crate) struct Layer<T> {
    forward: Affine<T>,
    /// The transpose, which takes gradients to the layer below, if there is one that wants them.
    back: Option<Affine<T>>,
}

impl<T: Real> Layer<T> {
    /// Creates a layer with weights of 0. `with_back` is true if it takes gradients to a layer below.
    pub fn new([inputs, outputs]: [usize; 2], with_back: bool) -> Self {
        let zeros = vec![T::zero(); inputs * outputs];
        Self {
            forward: Affine::new(&zeros, &zeros[..outputs]),
            back: with_back.then(|| Affine::transposed(&zeros, outputs)),
        }
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        (self.forward.inputs() + 1) * self.forward.outputs()
    }

    /// Sets the weights (row-major, shape `[inputs, outputs]`) and the biases, which follow them.
    pub fn load(&mut self, parameters: &[T]) {
        let (weight, bias) = parameters.split_at(self.forward.inputs() * self.forward.outputs());
        self.forward.load(weight, bias);
        if let Some(back) = &mut self.back {
            back.load_transposed(weight, bias.len());
        }
    }
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
    /// Creates a chain of layers with these numbers of inputs and outputs, and weights of 0. `with_input` is true if the
    /// gradient with respect to the inputs is wanted.
    pub fn new(sizes: &[[usize; 2]], activation: Activation, activate_last: bool, with_input: bool) -> Self {
        let layers = sizes.iter().enumerate().map(|(i, &size)| Layer::new(size, with_input || i > 0));
        Self { layers: layers.collect(), activation, activate_last }
    }

    /// The layers.
    pub fn layers(&self) -> &[Layer<T>] {
        &self.layers
    }

    /// The layers, to be replaced by others of the same sizes.
    pub fn layers_mut(&mut self) -> &mut [Layer<T>] {
        &mut self.layers
    }

    /// Number of inputs of the first layer.
    pub fn inputs(&self) -> usize {
        self.layers[0].forward.inputs()
    }

    /// Number of outputs of the last layer.
    pub fn outputs(&self) -> usize {
        self.layers[self.layers.len() - 1].forward.outputs()
    }

    /// True if [`backward`](Self::backward) computes the gradient with respect to the inputs.
    pub fn has_input_gradient(&self) -> bool {
        self.layers[0].back.is_some()
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(Layer::parameters).sum()
    }

    /// Sets the parameters: weights (row-major, shape `[inputs, outputs]`) and biases of each layer in turn.
    pub fn load(&mut self, mut parameters: &[T]) {
        for layer in &mut self.layers {
            let (of_layer, rest) = parameters.split_at(layer.parameters());
            parameters = rest;
            layer.load(of_layer);
        }
    }

    /// Sets the parameters as [`load`](Self::load), with biases of 0.
    pub fn load_without_biases(&mut self, parameters: &[T]) {
        let (mut parameters, mut start) = (parameters.to_vec(), 0);
        for layer in &self.layers {
            let end = start + layer.parameters();
            parameters[end - layer.forward.outputs()..end].fill(T::zero());
            start = end;
        }
        self.load(&parameters);
    }

    /// Takes rows of inputs through all layers.
    pub fn forward(&self, input: &[T], trace: &mut Trace<T>) {
        let rows = input.len() / self.inputs();
        trace.outputs.resize_with(self.layers.len(), Vec::new);
        trace.derivatives.resize_with(self.layers.len(), Vec::new);
        for (i, layer) in self.layers.iter().enumerate() {
            let (before, rest) = trace.outputs.split_at_mut(i);
            let (input, output) = (before.last().map_or(input, |last| last), &mut rest[0]);
            output.resize(rows * layer.forward.outputs(), T::zero());
            layer.forward.apply(input, output);
            if self.is_activated(i) {
                activate(self.activation, output, &mut trace.derivatives[i]);
            }
        }
    }

    /// Takes a gradient back through all layers, and adds the gradients of the parameters to `sums`, in the order of
    /// [`load`](Self::load). `input` is that of the forward pass.
    pub fn backward(&self, input: &[T], trace: &Trace<T>, gradient: &mut Gradient<T>, sums: &mut [T]) {
        let (Trace { outputs, derivatives }, Gradient { values: gradient, below }) = (trace, gradient);
        let mut end = sums.len();
        for (i, layer) in self.layers.iter().enumerate().rev() {
            let size = (layer.forward.inputs(), layer.forward.outputs());
            if self.is_activated(i) {
                activation_backward(self.activation, &outputs[i], &derivatives[i], gradient);
            }
            let start = end - (size.0 + 1) * size.1;
            let (weight_sum, bias_sum) = sums[start..end].split_at_mut(size.0 * size.1);
            end = start;
            add_outer_products(if i == 0 { input } else { &outputs[i - 1] }, size.0, gradient, size.1, weight_sum);
            add_rows(gradient, bias_sum);
            let Some(back) = &layer.back else { break };
            below.resize(gradient.len() / size.1 * size.0, T::zero());
            back.apply(gradient, below);
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
            let Layer { forward, .. } = layer;
            of_weights.resize(input.len() / forward.inputs() * forward.outputs(), T::zero());
            forward.apply(input, &mut of_weights);
            if !tangent.is_empty() {
                let mut of_input = vec![T::zero(); of_weights.len()];
                linear.layers[i].forward.apply(tangent, &mut of_input);
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
