//! Layers of a perceptron on a tile of rows, forward and backward.
//!
//! Each thread computes a block of [`ROWS`] rows and up to 4 columns at a time, whose sums are in registers. The columns of a
//! block are far apart, so that neighbouring threads use neighbouring columns.

use cubecl::prelude::*;

use super::network::{DeviceLayer, DeviceNetwork, ROWS, Tile, odd, together};
use crate::kernel::Activation;

/// Copies the weights of a network into workgroup memory, if the tile has room for them. The caller synchronises.
#[cube]
pub(super) fn stage(
    parameters: &[f32],
    weights: &mut [f32],
    #[comptime] network: DeviceNetwork,
    #[comptime] tile: Tile,
) {
    if comptime!(tile.staged) {
        #[unroll]
        for i in 0..comptime!(network.layers.len()) {
            let layer = comptime!(network.layers[i]);
            let width = comptime!(odd(layer.outputs));
            let count = comptime!((layer.inputs + 1) * layer.outputs);
            let mut k = UNIT_POS as usize;
            while k < count {
                let (row, column) = (k / comptime!(layer.outputs), k % comptime!(layer.outputs));
                weights[comptime!(layer.stage) + row * width + column] = parameters[comptime!(layer.parameters) + k];
                k += comptime!(tile.threads);
            }
        }
    }
}

/// Returns where the weights of a tile are: in workgroup memory, or in the parameters.
#[cube]
fn weights_of<'a>(parameters: &'a [f32], weights: &'a [f32], #[comptime] tile: Tile) -> &'a [f32] {
    if comptime!(tile.staged) { weights } else { parameters }
}

/// Takes the rows of a tile through a network. The inputs are in `memory`, and so are the outputs of each layer after it. The
/// weights are in `weights` if they were [staged](stage). The caller has synchronised; on return all threads have.
#[cube]
pub(super) fn forward(
    parameters: &[f32],
    weights: &[f32],
    memory: &mut [f32],
    #[comptime] network: DeviceNetwork,
    #[comptime] tile: Tile,
) {
    let weights = weights_of(parameters, weights, tile);
    #[unroll]
    for i in 0..comptime!(network.layers.len()) {
        let layer = comptime!(network.layers[i]);
        dense(weights, memory, layer, comptime!(network.activation), tile);
        sync_cube();
    }
}

/// Computes the outputs of a layer.
#[cube]
fn dense(
    weights: &[f32],
    memory: &mut [f32],
    #[comptime] layer: DeviceLayer,
    #[comptime] activation: Activation,
    #[comptime] tile: Tile,
) {
    let [start, width, biases] = comptime!(layer.weights(tile.staged));
    let columns = comptime!(together(layer.outputs));
    let blocks = comptime!(layer.outputs / columns);
    let (from, to) = comptime!((odd(layer.inputs), odd(layer.outputs)));
    let mut block = UNIT_POS as usize;
    while block < comptime!(tile.rows / ROWS * blocks) {
        let (row, column) = (block / blocks * ROWS, block % blocks);
        let mut sums = Array::<f32>::new(comptime!(ROWS * columns));
        #[unroll]
        for j in 0..columns {
            let bias = weights[biases + column + j * blocks];
            #[unroll]
            for i in 0..ROWS {
                sums[comptime!(i * columns + j)] = bias;
            }
        }
        for k in 0..comptime!(layer.inputs) {
            let mut inputs = Array::<f32>::new(ROWS);
            #[unroll]
            for i in 0..ROWS {
                let input = memory[comptime!(layer.input_at) + (row + i) * from + k];
                inputs[i] = kept(input, activation, comptime!(layer.follows));
            }
            #[unroll]
            for j in 0..columns {
                let weight = weights[start + k * width + column + j * blocks];
                #[unroll]
                for i in 0..ROWS {
                    let at = comptime!(i * columns + j);
                    sums[at] = fma(inputs[i], weight, sums[at]);
                }
            }
        }
        #[unroll]
        for i in 0..ROWS {
            #[unroll]
            for j in 0..columns {
                let sum = sums[comptime!(i * columns + j)];
                let output = keep(sum, activation, comptime!(layer.activated));
                memory[comptime!(layer.output_at) + (row + i) * to + column + j * blocks] = output;
            }
        }
        block += comptime!(tile.threads);
    }
}

// The derivatives of tanh and relu follow from their outputs, which are kept. That of silu does not: its inputs are kept, and it is
// computed where its outputs are read.

/// Returns what is kept of the sum of a layer that is `activated`.
#[cube]
fn keep(sum: f32, #[comptime] activation: Activation, #[comptime] activated: bool) -> f32 {
    match comptime!((activated, activation)) {
        (true, Activation::Tanh) => sum.tanh(),
        (true, Activation::Relu) => max(sum, 0.0f32),
        _ => sum,
    }
}

/// Returns the output of a layer from the value that [`keep`] kept. Without an activation function, that is the value itself.
#[cube]
fn kept(value: f32, #[comptime] activation: Activation, #[comptime] is_activation: bool) -> f32 {
    match comptime!((is_activation, activation)) {
        (true, Activation::Silu) => value / (1.0f32 + (-value).exp()),
        _ => value,
    }
}

/// Takes the derivatives with respect to the outputs of a network, which have replaced the outputs in `memory`, back to the
/// parameters. Adds the gradient to `gradient`, or sets it if it is `fresh`. The caller has synchronised; on return all threads
/// have. Activations in `memory` are replaced by derivatives.
#[cube]
#[allow(clippy::too_many_arguments)]
pub(super) fn backward(
    parameters: &[f32],
    weights: &[f32],
    memory: &mut [f32],
    gradient: &mut [f32],
    gradient_at: usize,
    fresh: bool,
    #[comptime] network: DeviceNetwork,
    #[comptime] tile: Tile,
) {
    let weights = weights_of(parameters, weights, tile);
    #[unroll]
    for i in 0..comptime!(network.layers.len()) {
        let layer = comptime!(network.layers[network.layers.len() - 1 - i]);
        let is_first = fresh && comptime!(!layer.adds);
        add_gradient(&*memory, gradient, gradient_at, is_first, layer, comptime!(network.activation), tile);
        sync_cube();
        if comptime!(i + 1 < network.layers.len()) {
            to_inputs(weights, memory, layer, comptime!(network.activation), tile);
            sync_cube();
        }
    }
}

/// Adds the gradient of the weights and biases of a layer: the inputs of each row times the derivatives of its outputs.
#[cube]
fn add_gradient(
    memory: &[f32],
    gradient: &mut [f32],
    gradient_at: usize,
    fresh: bool,
    #[comptime] layer: DeviceLayer,
    #[comptime] activation: Activation,
    #[comptime] tile: Tile,
) {
    let (columns, height) = comptime!((together(layer.outputs), together(layer.inputs)));
    let (across, down) = comptime!((layer.outputs / columns, layer.inputs / height));
    let (from, to) = comptime!((odd(layer.inputs), odd(layer.outputs)));
    let start = gradient_at + comptime!(layer.parameters);
    let mut block = UNIT_POS as usize;
    while block < comptime!(across * down) {
        let (line, column) = (block / across, block % across);
        let mut sums = Array::<f32>::new(comptime!(height * columns));
        for row in 0..comptime!(tile.rows) {
            let mut inputs = Array::<f32>::new(height);
            #[unroll]
            for i in 0..height {
                let input = memory[comptime!(layer.input_at) + row * from + line + i * down];
                inputs[i] = kept(input, activation, comptime!(layer.follows));
            }
            #[unroll]
            for j in 0..columns {
                let derivative = memory[comptime!(layer.output_at) + row * to + column + j * across];
                #[unroll]
                for i in 0..height {
                    let at = comptime!(i * columns + j);
                    sums[at] = fma(inputs[i], derivative, sums[at]);
                }
            }
        }
        #[unroll]
        for i in 0..height {
            #[unroll]
            for j in 0..columns {
                let at = start + (line + i * down) * comptime!(layer.outputs) + column + j * across;
                add_to(gradient, at, sums[comptime!(i * columns + j)], fresh);
            }
        }
        block += comptime!(tile.threads);
    }
    add_columns(
        memory,
        gradient,
        start + comptime!(layer.inputs * layer.outputs),
        fresh,
        comptime!(layer.output_at),
        comptime!(layer.outputs),
        to,
        tile,
    );
}

/// Adds up each of `columns` columns of a matrix in the memory of a tile, whose rows are `width` apart.
#[cube]
#[allow(clippy::too_many_arguments)]
pub(super) fn add_columns(
    memory: &[f32],
    gradient: &mut [f32],
    gradient_at: usize,
    fresh: bool,
    #[comptime] at: usize,
    #[comptime] columns: usize,
    #[comptime] width: usize,
    #[comptime] tile: Tile,
) {
    let mut column = UNIT_POS as usize;
    while column < columns {
        let mut sum = f32::new(0.0);
        for row in 0..comptime!(tile.rows) {
            sum += memory[at + row * width + column];
        }
        add_to(gradient, gradient_at + column, sum, fresh);
        column += comptime!(tile.threads);
    }
}

#[cube]
fn add_to(gradient: &mut [f32], at: usize, sum: f32, fresh: bool) {
    if fresh {
        gradient[at] = sum;
    } else {
        gradient[at] += sum;
    }
}

/// Replaces the inputs of a layer, which are outputs of the layer before, by the derivatives with respect to the sums from which
/// their activation was computed.
#[cube]
fn to_inputs(
    weights: &[f32],
    memory: &mut [f32],
    #[comptime] layer: DeviceLayer,
    #[comptime] activation: Activation,
    #[comptime] tile: Tile,
) {
    let [start, width, _] = comptime!(layer.weights(tile.staged));
    let columns = comptime!(together(layer.inputs));
    let blocks = comptime!(layer.inputs / columns);
    let (from, to) = comptime!((odd(layer.inputs), odd(layer.outputs)));
    let mut block = UNIT_POS as usize;
    while block < comptime!(tile.rows / ROWS * blocks) {
        let (row, column) = (block / blocks * ROWS, block % blocks);
        let mut sums = Array::<f32>::new(comptime!(ROWS * columns));
        for k in 0..comptime!(layer.outputs) {
            let mut derivatives = Array::<f32>::new(ROWS);
            #[unroll]
            for i in 0..ROWS {
                derivatives[i] = memory[comptime!(layer.output_at) + (row + i) * to + k];
            }
            #[unroll]
            for j in 0..columns {
                let weight = weights[start + (column + j * blocks) * width + k];
                #[unroll]
                for i in 0..ROWS {
                    let at = comptime!(i * columns + j);
                    sums[at] = fma(derivatives[i], weight, sums[at]);
                }
            }
        }
        #[unroll]
        for i in 0..ROWS {
            #[unroll]
            for j in 0..columns {
                let at = comptime!(layer.input_at) + (row + i) * from + column + j * blocks;
                let value = memory[at];
                memory[at] = sums[comptime!(i * columns + j)] * derivative(value, activation);
            }
        }
        block += comptime!(tile.threads);
    }
}

/// The derivative of an activation function, from what is kept.
#[cube]
fn derivative(value: f32, #[comptime] activation: Activation) -> f32 {
    match comptime!(activation) {
        Activation::Tanh => 1.0f32 - value * value,
        Activation::Relu => select(value > 0.0f32, 1.0f32, 0.0f32),
        Activation::Silu => {
            let sigmoid = 1.0f32 / (1.0f32 + (-value).exp());
            sigmoid * (1.0f32 + value * (1.0f32 - sigmoid))
        }
    }
}
