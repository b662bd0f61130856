//! Perceptrons as constants of kernels.

use cubecl::client::Client;

use crate::{device::AdapterLimit, kernel::Activation, policy::Place};

/// Rows that a thread computes at once.
pub(super) const ROWS: usize = 4;

/// The rows that a workgroup takes through a network at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Tile {
    /// Number of rows, a multiple of [`ROWS`].
    pub rows: usize,
    /// Number of threads of the workgroup, at least `rows`.
    pub threads: usize,
    /// True if the weights are copied into workgroup memory.
    pub staged: bool,
}

/// A perceptron, with the places of its parameters and of its activations in the memory of a tile.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct DeviceNetwork {
    pub layers: Vec<DeviceLayer>,
    pub activation: Activation,
    /// Number of values in the memory of a tile: input, and the outputs of all layers.
    pub memory: usize,
    /// Number of values of the weights in workgroup memory.
    pub stage: usize,
}

/// A layer of a [`DeviceNetwork`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct DeviceLayer {
    pub inputs: usize,
    pub outputs: usize,
    /// Where the weights begin in the parameters. Shape `[inputs, outputs]`; the biases follow.
    pub parameters: usize,
    /// Where the weights begin in the workgroup memory for them. Shape `[inputs, odd(outputs)]`; the biases follow.
    pub stage: usize,
    /// Where the inputs begin in the memory of a tile. Shape `[rows, odd(inputs)]`.
    pub input_at: usize,
    /// Where the outputs begin in the memory of a tile. Shape `[rows, odd(outputs)]`.
    pub output_at: usize,
    /// True if the activation function follows.
    pub activated: bool,
    /// True if the activation function of another layer is before it.
    pub follows: bool,
}

/// Returns the distance of rows with `len` elements in workgroup memory. It is odd, so that the same element of
/// consecutive rows is in different banks.
pub(crate) const fn odd(len: usize) -> usize {
    len | 1
}

impl DeviceNetwork {
    /// Returns the network at `place`, for tiles of `rows` rows.
    pub fn new(place: &Place, activation: Activation, rows: usize) -> Self {
        let (mut layers, mut parameters, mut stage) = (Vec::new(), place.parameters.start, 0);
        let last = place.sizes.len() - 1;
        let mut at = 0;
        for (i, &[inputs, outputs]) in place.sizes.iter().enumerate() {
            let output_at = at + rows * odd(inputs);
            layers.push(DeviceLayer {
                inputs,
                outputs,
                parameters,
                stage,
                input_at: at,
                output_at,
                activated: i < last,
                follows: i > 0,
            });
            parameters += (inputs + 1) * outputs;
            stage += (inputs + 1) * odd(outputs);
            at = output_at;
        }
        let memory = at + rows * odd(place.outputs());
        Self { layers, activation, memory, stage }
    }

    pub fn inputs(&self) -> usize {
        self.layers[0].inputs
    }

    pub fn last(&self) -> DeviceLayer {
        self.layers[self.layers.len() - 1]
    }
}

impl DeviceLayer {
    /// Returns where the weights begin, the distance of their rows, and where the biases begin.
    pub fn weights(&self, staged: bool) -> [usize; 3] {
        let (start, width) = if staged { (self.stage, odd(self.outputs)) } else { (self.parameters, self.outputs) };
        [start, width, start + self.inputs * width]
    }
}

/// Returns how many of `count` columns a thread computes at once: the largest divisor up to 4.
pub(crate) fn together(count: usize) -> usize {
    (1..=4).rev().find(|n| count.is_multiple_of(*n)).unwrap_or(1)
}

/// Returns the network and the tile with which its memory fits into that of a workgroup.
pub(crate) fn fit(
    client: &Client,
    network: impl Fn(usize) -> DeviceNetwork,
) -> Result<(DeviceNetwork, Tile), AdapterLimit> {
    fit_tile(client, |tile| {
        let network = network(tile.rows);
        // Values are computed with a flag for each row. Without weights, one element stands in for them.
        let floats = network.memory + if tile.staged { network.stage } else { 1 } + tile.rows;
        (4 * floats, (network, tile))
    })
}

/// Returns what `make` makes for the first tile whose memory, in bytes, fits into that of a workgroup: with weights if at least
/// 16 rows have room beside them, otherwise without.
pub(super) fn fit_tile<R>(client: &Client, make: impl Fn(Tile) -> (usize, R)) -> Result<R, AdapterLimit> {
    let hardware = &client.properties().hardware;
    if hardware.max_bindings < BINDINGS {
        return Err(AdapterLimit::Bindings { needed: BINDINGS, available: hardware.max_bindings });
    }
    let available = hardware.max_shared_memory_size;
    let threads = (hardware.max_units_per_cube as usize).min(THREADS);
    let tiles = [(32, true), (16, true), (32, false), (16, false), (8, false), (ROWS, false)];
    let (mut needed, mut least) = (0, 0);
    for (rows, staged) in tiles.into_iter().filter(|&(rows, _)| rows <= threads) {
        let (bytes, result) = make(Tile { rows, threads, staged });
        if bytes <= available {
            return Ok(result);
        }
        (needed, least) = (bytes, rows);
    }
    Err(AdapterLimit::Memory { needed, rows: least, available })
}

/// Most buffers of a kernel, with the one for its scalars.
const BINDINGS: u32 = 10;

/// Threads of a workgroup, if the adapter has as many.
const THREADS: usize = 128;
