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
    /// True if another network shares the layer and has already written its gradient, to which that of this network is added.
    pub adds: bool,
}

/// Returns the distance of rows with `len` elements in workgroup memory. It is odd, so that the same element of
/// consecutive rows is in different banks.
pub(crate) const fn odd(len: usize) -> usize {
    len | 1
}

impl DeviceNetwork {
    /// Returns the network of the layers of `trunk` and of those at `place`, for tiles of `rows` rows.
    pub fn new(trunk: Option<&Place>, place: &Place, activation: Activation, rows: usize) -> Self {
        let (mut layers, mut stage, mut at) = (Vec::new(), 0, 0);
        let sizes = trunk.into_iter().chain([place]).flat_map(Place::layers);
        for ([inputs, outputs], parameters) in sizes {
            let output_at = at + rows * odd(inputs);
            layers.push(DeviceLayer {
                inputs,
                outputs,
                parameters,
                stage,
                input_at: at,
                output_at,
                activated: true,
                follows: !layers.is_empty(),
                adds: false,
            });
            stage += (inputs + 1) * odd(outputs);
            at = output_at;
        }
        let memory = at + rows * odd(place.outputs());
        if let Some(last) = layers.last_mut() {
            last.activated = false;
        }
        Self { layers, activation, memory, stage }
    }

    /// Adds the gradients of the first `layers` layers to those that another network has written.
    pub fn adding(mut self, layers: usize) -> Self {
        self.layers[..layers].iter_mut().for_each(|layer| layer.adds = true);
        self
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
    fit_tile(Limits::of(client), |tile| {
        let network = network(tile.rows);
        // Values are computed with a flag for each row. Without weights, one element stands in for them.
        let floats = network.memory + if tile.staged { network.stage } else { 1 } + tile.rows;
        (4 * floats, (network, tile))
    })
}

/// What an adapter offers to a workgroup.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Number of buffers.
    bindings: u32,
    /// Bytes of memory.
    memory: usize,
    /// Number of threads.
    threads: usize,
}

impl Limits {
    pub fn of(client: &Client) -> Self {
        let hardware = &client.properties().hardware;
        let (bindings, memory) = (hardware.max_bindings, hardware.max_shared_memory_size);
        Self { bindings, memory, threads: hardware.max_units_per_cube as usize }
    }
}

/// Returns what `make` makes for the first tile whose memory, in bytes, fits into that of a workgroup: with weights if at least
/// 16 rows have room beside them, otherwise without.
pub(super) fn fit_tile<R>(limits: Limits, make: impl Fn(Tile) -> (usize, R)) -> Result<R, AdapterLimit> {
    let Limits { bindings, memory: available, threads } = limits;
    if bindings < BINDINGS {
        return Err(AdapterLimit::Bindings { needed: BINDINGS, available: bindings });
    }
    let threads = threads.min(THREADS);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes 10 bytes a row, and 200 for the weights.
    fn fitted(limits: Limits) -> Result<Tile, AdapterLimit> {
        fit_tile(limits, |tile| (10 * tile.rows + if tile.staged { 200 } else { 0 }, tile))
    }

    #[test]
    fn the_largest_tile_that_fits_is_taken_and_too_small_an_adapter_is_refused_with_the_numbers() {
        let limits = |memory| Limits { bindings: BINDINGS, memory, threads: 256 };
        let tile = |rows, staged| Ok(Tile { rows, threads: THREADS, staged });
        assert_eq!(fitted(limits(520)), tile(32, true));
        assert_eq!(fitted(limits(519)), tile(16, true));
        assert_eq!(fitted(limits(359)), tile(32, false));
        assert_eq!(fitted(limits(319)), tile(16, false));
        assert_eq!(fitted(limits(159)), tile(8, false));
        assert_eq!(fitted(limits(40)), tile(ROWS, false));
        assert_eq!(fitted(limits(39)), Err(AdapterLimit::Memory { needed: 40, rows: ROWS, available: 39 }));
        // As many threads as rows at least.
        assert_eq!(fitted(Limits { threads: 16, ..limits(520) }), Ok(Tile { rows: 16, threads: 16, staged: true }));
        let few = Limits { bindings: BINDINGS - 1, ..limits(520) };
        assert_eq!(fitted(few), Err(AdapterLimit::Bindings { needed: BINDINGS, available: BINDINGS - 1 }));
    }
}
