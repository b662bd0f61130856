//! Perceptrons on the host, forward and backward. Several threads compute blocks of rows, which stay in the cache.

use super::{
    pool::{Array, Pooled},
    product::{Affine, add_outer_products, add_rows},
    real::Real,
    vector::vectorised,
};
use crate::kernel::{Activation, threads::for_each};

/// Number of rows that go through all layers together.
const BLOCK: usize = 64;
/// Largest number of tasks of a backward pass; each sums its own gradient.
const TASKS: usize = 16;

/// A copy of the layers of a network.
#[derive(Debug, Clone)]
pub(crate) struct Network<T> {
    layers: Vec<Affine<T>>,
    activation: Activation,
    /// True if the activation also follows the last layer.
    activate_last: bool,
}

/// The outputs of the layers, of shape `[rows, outputs]` each; the last one is the result.
#[derive(Debug)]
pub(crate) struct Trace<T: Pooled> {
    pub outputs: Vec<Array<T>>,
    /// The derivatives of the activation, of the same shapes; empty if they can be computed from the outputs.
    derivatives: Vec<Array<T>>,
}

/// The gradients of a loss.
pub(crate) struct NetworkGradients<T> {
    /// With respect to the parameters: weights and biases of each layer in turn.
    pub parameters: Vec<T>,
    /// With respect to the inputs; empty if not asked for. Shape `[rows, inputs]`.
    pub input: Vec<T>,
}

/// Buffers of a forward pass, reused by the next one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Workspace<T> {
    from: Vec<T>,
    to: Vec<T>,
    derivatives: Vec<T>,
}

impl<T: Real> Network<T> {
    /// Creates a network from weights of shape `[inputs, outputs]` and biases of shape `[outputs]`, of at least one
    /// layer.
    pub fn new<'a>(
        layers: impl Iterator<Item = (&'a [T], &'a [T])>,
        activation: Activation,
        activate_last: bool,
    ) -> Self {
        Self { layers: layers.map(|(weight, bias)| Affine::new(weight, bias)).collect(), activation, activate_last }
    }

    /// Returns the number of inputs.
    pub fn inputs(&self) -> usize {
        self.layers[0].inputs()
    }

    /// Returns the number of outputs.
    pub fn outputs(&self) -> usize {
        self.layers[self.layers.len() - 1].outputs()
    }

    /// Applies all layers to rows of inputs, on this thread. Returns the outputs, of shape `[rows, outputs]`. Allocates
    /// memory only if there are more rows than in earlier calls.
    pub fn infer<'a>(&self, input: &[T], workspace: &'a mut Workspace<T>) -> &'a [T] {
        let rows = input.len() / self.inputs();
        let Workspace { from, to, derivatives } = workspace;
        for (i, layer) in self.layers.iter().enumerate() {
            to.resize(rows * layer.outputs(), T::zero());
            layer.apply(if i == 0 { input } else { from }, to);
            if self.is_activated(i) {
                if self.activation == Activation::Silu {
                    derivatives.resize(to.len(), T::zero());
                }
                activate(self.activation, to, derivatives);
            }
            std::mem::swap(from, to);
        }
        from
    }

    /// [`infer`](Self::infer) for many rows, in blocks on several threads.
    pub fn infer_many(&self, input: &[T]) -> Vec<T> {
        let mut output = vec![T::zero(); input.len() / self.inputs() * self.outputs()];
        let blocks = input.chunks(BLOCK * self.inputs()).zip(output.chunks_mut(BLOCK * self.outputs())).collect();
        for_each(blocks, Workspace::default, |workspace, (input, output)| {
            output.copy_from_slice(self.infer(input, workspace));
        });
        output
    }

    /// Applies all layers to rows of inputs, and keeps the intermediate results for the backward pass.
    pub fn forward(&self, input: &[T]) -> Trace<T> {
        let rows = input.len() / self.inputs();
        // All elements are overwritten below.
        let buffers = |wanted: bool| -> Vec<Array<T>> {
            let len = |layer: &Affine<T>| if wanted { rows * layer.outputs() } else { 0 };
            self.layers.iter().map(|layer| Array::with_arbitrary_values(len(layer), T::zero())).collect()
        };
        let mut trace = Trace { outputs: buffers(true), derivatives: buffers(self.activation == Activation::Silu) };
        let outputs = self.blocks_mut(&mut trace.outputs, rows);
        let derivatives = self.blocks_mut(&mut trace.derivatives, rows);
        let blocks = input.chunks(BLOCK * self.inputs()).zip(outputs).zip(derivatives).collect();
        for_each(blocks, <()>::default, |(), ((input, mut outputs), mut derivatives)| {
            for (i, layer) in self.layers.iter().enumerate() {
                let (before, rest) = outputs.split_at_mut(i);
                let (input, output) = (before.last().map_or(input, |last| &**last), &mut *rest[0]);
                layer.apply(input, output);
                if self.is_activated(i) {
                    activate(self.activation, output, derivatives[i]);
                }
            }
        });
        trace
    }

    /// Returns the gradients of a loss. `weights` are those that the network was created from, `output_gradient` is the
    /// gradient of the loss with respect to the result (shape `[rows, outputs]`). The order of summation depends only
    /// on the number of rows.
    pub fn backward(
        &self,
        weights: &[&[T]],
        input: &[T],
        trace: &Trace<T>,
        output_gradient: &[T],
        with_input: bool,
    ) -> NetworkGradients<T> {
        let rows = input.len() / self.inputs();
        let per_task = rows_of_task(rows);
        let mut input_gradient = vec![T::zero(); if with_input { input.len() } else { 0 }];
        let mut input_gradients = input_gradient.chunks_mut(per_task * self.inputs());
        let len = weights.iter().zip(&self.layers).map(|(weight, layer)| weight.len() + layer.outputs()).sum();
        let mut sums: Vec<Vec<T>> = (0..rows.div_ceil(per_task)).map(|_| vec![T::zero(); len]).collect();
        // The layers that take gradients back to the layer below; the first one only if its gradient is wanted.
        let back: Vec<Option<Affine<T>>> = (self.layers.iter().zip(weights).enumerate())
            .map(|(i, (layer, weight))| (i > 0 || with_input).then(|| Affine::transposed(weight, layer.outputs())))
            .collect();

        let tasks = sums.iter_mut().enumerate();
        let tasks = tasks.map(|(i, sum)| (i * per_task, sum, input_gradients.next().unwrap_or_default())).collect();
        let workspace = || [Vec::new(), Vec::new()];
        for_each(tasks, workspace, |[gradients, below], (first, sum, input_gradient)| {
            // Each block of rows goes back from the last layer to the first.
            for row in (first..rows.min(first + per_task)).step_by(BLOCK) {
                let end_row = rows.min(row + BLOCK);
                let block = |width: usize| row * width..end_row * width;
                gradients.clear();
                gradients.extend_from_slice(&output_gradient[block(self.outputs())]);
                let mut end = sum.len();
                for (i, layer) in self.layers.iter().enumerate().rev() {
                    let (inputs, outputs) = (layer.inputs(), layer.outputs());
                    if self.is_activated(i) {
                        let derivatives = trace.derivatives[i].get(block(outputs)).unwrap_or_default();
                        activation_backward(self.activation, &trace.outputs[i][block(outputs)], derivatives, gradients);
                    }
                    let input = if i == 0 { input } else { &trace.outputs[i - 1] };
                    let start = end - (inputs + 1) * outputs;
                    let (weight_sum, bias_sum) = sum[start..end].split_at_mut(inputs * outputs);
                    end = start;
                    add_outer_products(&input[block(inputs)], inputs, gradients, outputs, weight_sum);
                    add_rows(gradients, bias_sum);
                    let Some(back) = &back[i] else { break };
                    if i == 0 {
                        back.apply(gradients, &mut input_gradient[(row - first) * inputs..(end_row - first) * inputs]);
                    } else {
                        below.resize((end_row - row) * inputs, T::zero());
                        back.apply(gradients, below);
                        std::mem::swap(gradients, below);
                    }
                }
            }
        });

        let mut sums = sums.into_iter();
        let mut parameters = sums.next().unwrap_or_else(|| vec![T::zero(); len]);
        for sum in sums {
            add_rows(&sum, &mut parameters);
        }
        NetworkGradients { parameters, input: input_gradient }
    }

    fn is_activated(&self, layer: usize) -> bool {
        self.activate_last || layer + 1 < self.layers.len()
    }

    /// Splits arrays, one for each layer, into the parts that belong to each block.
    fn blocks_mut<'a>(&self, arrays: &'a mut [Array<T>], rows: usize) -> Vec<Vec<&'a mut [T]>> {
        let widths = self.layers.iter().map(|layer| BLOCK * layer.outputs());
        let mut blocks: Vec<_> =
            arrays.iter_mut().zip(widths).map(|(array, width)| array.as_mut_slice().chunks_mut(width)).collect();
        let next = |_| blocks.iter_mut().map(|blocks| blocks.next().unwrap_or_default()).collect();
        (0..rows.div_ceil(BLOCK)).map(next).collect()
    }
}

/// Returns the number of rows of each task of a backward pass over `rows` rows.
fn rows_of_task(rows: usize) -> usize {
    rows.div_ceil(TASKS).next_multiple_of(2 * BLOCK).max(2 * BLOCK)
}

/// Returns the number of tasks of a backward pass over `rows` rows; each sums its own gradient.
pub(crate) fn tasks(rows: usize) -> usize {
    rows.div_ceil(rows_of_task(rows)).max(1)
}

/// Returns the number of elements that a network holds for the weights and biases of layers of `sizes`.
pub(crate) fn held_elements<T: Real>(sizes: &[u64]) -> u64 {
    sizes.windows(2).map(|size| Affine::<T>::elements(size[0], size[1])).sum()
}

/// Returns the bytes that a thread keeps for the next minibatch: the outputs of layers of `sizes` for `rows` rows, and
/// the derivatives of `silu`.
pub(crate) fn kept_bytes<T>(sizes: &[u64], activation: Activation, rows: u64) -> u64 {
    let arrays = if activation == Activation::Silu { 2 } else { 1 };
    arrays * sizes[1..].iter().sum::<u64>() * rows * size_of::<T>() as u64
}

/// Applies an activation. Writes the derivatives of `silu` to `derivatives`.
fn activate<T: Real>(activation: Activation, values: &mut [T], derivatives: &mut [T]) {
    match activation {
        Activation::Tanh => T::tanh_all(values),
        Activation::Relu => relu(values),
        Activation::Silu => {
            // `sigmoid(x)` is `(1 + tanh(x / 2)) / 2`.
            halve(values, derivatives);
            T::tanh_all(derivatives);
            silu(values, derivatives);
        }
    }
}

/// Turns gradients with respect to the outputs of an activation into gradients with respect to its inputs.
fn activation_backward<T: Real>(activation: Activation, outputs: &[T], derivatives: &[T], gradients: &mut [T]) {
    match activation {
        Activation::Tanh => tanh_backward(outputs, gradients),
        Activation::Relu => relu_backward(outputs, gradients),
        Activation::Silu => multiply(derivatives, gradients),
    }
}

vectorised! {
    fn relu<'a, T>(values: &'a mut [T]) -> () {
        for value in values {
            // Unlike a maximum, this keeps NaN.
            *value = if *value < T::zero() { T::zero() } else { *value };
        }
    }

    fn halve<'a, T>(values: &'a [T], halves: &'a mut [T]) -> () {
        for (result, &x) in halves.iter_mut().zip(values) {
            *result = x * T::of(0.5);
        }
    }

    /// Turns `x` and `tanh(x / 2)` into `x sigmoid(x)` and its derivative.
    fn silu<'a, T>(values: &'a mut [T], tangents: &'a mut [T]) -> () {
        for (x, tangent) in values.iter_mut().zip(tangents) {
            let sigmoid = tangent.mul_add(T::of(0.5), T::of(0.5));
            *tangent = sigmoid * (T::one() + *x * (T::one() - sigmoid));
            *x = *x * sigmoid;
        }
    }

    fn tanh_backward<'a, T>(outputs: &'a [T], gradients: &'a mut [T]) -> () {
        for (gradient, &output) in gradients.iter_mut().zip(outputs) {
            *gradient = *gradient * (T::one() - output * output);
        }
    }

    fn relu_backward<'a, T>(outputs: &'a [T], gradients: &'a mut [T]) -> () {
        for (gradient, &output) in gradients.iter_mut().zip(outputs) {
            *gradient = if output > T::zero() { *gradient } else { T::zero() };
        }
    }

    fn multiply<'a, T>(factors: &'a [T], gradients: &'a mut [T]) -> () {
        for (gradient, &factor) in gradients.iter_mut().zip(factors) {
            *gradient = *gradient * factor;
        }
    }
}
