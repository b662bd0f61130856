//! Perceptrons on the host: forward and backward, in blocks of rows that stay in the cache and are spread over threads.

use rayon::prelude::*;

use super::{
    product::{Weight, add_rows},
    real::Real,
    vector::vectorised,
};
use crate::kernel::Activation;

/// Rows that are taken through all layers together.
const BLOCK: usize = 64;
/// Most tasks that a backward pass is cut into: each adds up a gradient of its own.
const TASKS: usize = 16;

/// The layers of a network.
#[derive(Debug)]
pub(crate) struct Network<'a, T> {
    /// Weights of shape `[inputs, outputs]` and biases of shape `[outputs]`.
    pub layers: Vec<(&'a [T], &'a [T])>,
    pub activation: Activation,
    /// Does the activation follow the last layer too?
    pub activate_last: bool,
}

/// What the layers put out, of shape `[rows, outputs]` each; the last of it is the result.
#[derive(Debug, Clone)]
pub(crate) struct Trace<T> {
    pub outputs: Vec<Vec<T>>,
    /// The derivatives of the activation, for an activation whose output does not tell them. The same shapes.
    slopes: Vec<Vec<T>>,
}

/// The gradients of a loss.
pub(crate) struct Slopes<T> {
    /// In the parameters: weights and biases of each layer in turn.
    pub parameters: Vec<T>,
    /// In the inputs, if they were asked for. Shape `[rows, inputs]`.
    pub input: Vec<T>,
}

impl<T: Real> Network<'_, T> {
    /// Takes rows of inputs through all layers.
    pub fn forward(&self, input: &[T]) -> Trace<T> {
        let rows = input.len() / self.inputs();
        let buffers = |wanted: bool| -> Vec<Vec<T>> {
            self.layers.iter().map(|(_, bias)| vec![T::zero(); if wanted { rows * bias.len() } else { 0 }]).collect()
        };
        let mut trace = Trace { outputs: buffers(true), slopes: buffers(self.activation == Activation::Silu) };
        let outputs = self.blocks_mut(&mut trace.outputs, rows);
        let slopes = self.blocks_mut(&mut trace.slopes, rows);
        let blocks = input.chunks(BLOCK * self.inputs()).zip(outputs).zip(slopes).collect();
        for_each(blocks, |((input, mut outputs), mut slopes)| self.forward_block(input, &mut outputs, &mut slopes));
        trace
    }

    /// The gradients of a loss, given that in the result (shape `[rows, outputs]`). The order in which numbers are added up
    /// depends on the number of rows alone.
    pub fn backward(&self, input: &[T], trace: &Trace<T>, slope: &[T], with_input: bool) -> Slopes<T> {
        let rows = input.len() / self.inputs();
        let per_task = rows.div_ceil(TASKS).next_multiple_of(2 * BLOCK);
        let mut input_slope = vec![T::zero(); if with_input { input.len() } else { 0 }];
        let mut input_slopes = input_slope.chunks_mut(per_task * self.inputs());
        let len = self.layers.iter().map(|(weight, bias)| weight.len() + bias.len()).sum();
        let mut sums: Vec<Vec<T>> = (0..rows.div_ceil(per_task)).map(|_| vec![T::zero(); len]).collect();

        let tasks = sums.iter_mut().enumerate();
        let tasks = tasks.map(|(i, sum)| (i * per_task, sum, input_slopes.next().unwrap_or_default())).collect();
        for_each(tasks, |(first, sum, input_slope)| {
            let mut task = Task { network: self, input, trace, slope, sum, input_slope, first };
            for row in (first..rows.min(first + per_task)).step_by(BLOCK) {
                task.backward_block(row, BLOCK.min(rows - row));
            }
        });

        let mut sums = sums.into_iter();
        let mut parameters = sums.next().unwrap_or_else(|| vec![T::zero(); len]);
        for sum in sums {
            add_rows(&sum, &mut parameters);
        }
        Slopes { parameters, input: input_slope }
    }

    fn inputs(&self) -> usize {
        let (weight, bias) = self.layers[0];
        weight.len() / bias.len()
    }

    fn is_activated(&self, layer: usize) -> bool {
        self.activate_last || layer + 1 < self.layers.len()
    }

    /// The parts of arrays, of one for each layer, that belong to each block.
    fn blocks_mut<'a>(&self, arrays: &'a mut [Vec<T>], rows: usize) -> Vec<Vec<&'a mut [T]>> {
        let widths = self.layers.iter().map(|(_, bias)| BLOCK * bias.len());
        let mut blocks: Vec<_> = arrays.iter_mut().zip(widths).map(|(array, width)| array.chunks_mut(width)).collect();
        let next = |_| blocks.iter_mut().map(|blocks| blocks.next().unwrap_or_default()).collect();
        (0..rows.div_ceil(BLOCK)).map(next).collect()
    }

    fn forward_block(&self, input: &[T], outputs: &mut [&mut [T]], slopes: &mut [&mut [T]]) {
        for (i, &(weight, bias)) in self.layers.iter().enumerate() {
            let (before, rest) = outputs.split_at_mut(i);
            let (input, output) = (before.last().map_or(input, |last| &**last), &mut *rest[0]);
            Weight::new(weight, bias.len()).forward(input, bias, output);
            if self.is_activated(i) {
                activate(self.activation, output, slopes[i]);
            }
        }
    }
}

/// A share of the rows on their way back, and the sum of their gradients.
struct Task<'a, T> {
    network: &'a Network<'a, T>,
    input: &'a [T],
    trace: &'a Trace<T>,
    slope: &'a [T],
    sum: &'a mut [T],
    /// From row `first` on; empty if nobody asks for it.
    input_slope: &'a mut [T],
    first: usize,
}

impl<T: Real> Task<'_, T> {
    fn backward_block(&mut self, row: usize, rows: usize) {
        let Self { network, trace, .. } = *self;
        let block = |array: &'_ [T], width: usize| -> std::ops::Range<usize> {
            debug_assert!((row + rows) * width <= array.len());
            row * width..(row + rows) * width
        };
        let outputs = |layer: usize| network.layers[layer].1.len();
        let last = network.layers.len() - 1;
        let mut slope = self.slope[block(self.slope, outputs(last))].to_vec();
        let mut end = self.sum.len();
        for (i, &(weight, bias)) in network.layers.iter().enumerate().rev() {
            if network.is_activated(i) {
                let range = block(&trace.outputs[i], bias.len());
                let kept = trace.slopes[i].get(range.clone()).unwrap_or_default();
                deactivate(network.activation, &trace.outputs[i][range], kept, &mut slope);
            }
            let inputs = weight.len() / bias.len();
            let input = match i {
                0 => &self.input[block(self.input, inputs)],
                _ => &trace.outputs[i - 1][block(&trace.outputs[i - 1], inputs)],
            };
            let (weight_sum, bias_sum) = self.sum[end - weight.len() - bias.len()..end].split_at_mut(weight.len());
            end -= weight.len() + bias.len();
            let weight = Weight::new(weight, bias.len());
            weight.add_gradient(input, &slope, weight_sum);
            add_rows(&slope, bias_sum);
            if i > 0 {
                let mut below = vec![T::zero(); rows * inputs];
                weight.backward(&slope, &mut below);
                slope = below;
            } else if !self.input_slope.is_empty() {
                let start = (row - self.first) * inputs;
                weight.backward(&slope, &mut self.input_slope[start..start + rows * inputs]);
            }
        }
    }
}

/// Applies an activation, and keeps its derivatives if `slopes` has room for them.
fn activate<T: Real>(activation: Activation, values: &mut [T], slopes: &mut [T]) {
    match activation {
        Activation::Tanh => T::tanh_all(values),
        Activation::Relu => relu(values),
        Activation::Silu => {
            // The logistic function, by way of the tangent.
            halve(values, slopes);
            T::tanh_all(slopes);
            silu(values, slopes);
        }
    }
}

/// Turns slopes behind an activation into slopes before it.
fn deactivate<T: Real>(activation: Activation, outputs: &[T], kept: &[T], slopes: &mut [T]) {
    match activation {
        Activation::Tanh => through_tanh(outputs, slopes),
        Activation::Relu => through_relu(outputs, slopes),
        Activation::Silu => multiply(kept, slopes),
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

    /// From `x` and `tanh(x / 2)` to `x sigmoid(x)` and its derivative.
    fn silu<'a, T>(values: &'a mut [T], tangents: &'a mut [T]) -> () {
        for (x, tangent) in values.iter_mut().zip(tangents) {
            let sigmoid = tangent.mul_add(T::of(0.5), T::of(0.5));
            *tangent = sigmoid * (T::one() + *x * (T::one() - sigmoid));
            *x = *x * sigmoid;
        }
    }

    fn through_tanh<'a, T>(outputs: &'a [T], slopes: &'a mut [T]) -> () {
        for (slope, &output) in slopes.iter_mut().zip(outputs) {
            *slope = *slope * (T::one() - output * output);
        }
    }

    fn through_relu<'a, T>(outputs: &'a [T], slopes: &'a mut [T]) -> () {
        for (slope, &output) in slopes.iter_mut().zip(outputs) {
            *slope = if output > T::zero() { *slope } else { T::zero() };
        }
    }

    fn multiply<'a, T>(factors: &'a [T], slopes: &'a mut [T]) -> () {
        for (slope, &factor) in slopes.iter_mut().zip(factors) {
            *slope = *slope * factor;
        }
    }
}

/// Runs tasks, on several threads if there are several of both.
fn for_each<I: Send>(tasks: Vec<I>, run: impl Fn(I) + Sync + Send) {
    match tasks.len() > 1 && rayon::current_num_threads() > 1 {
        true => tasks.into_par_iter().for_each(run),
        false => tasks.into_iter().for_each(run),
    }
}
