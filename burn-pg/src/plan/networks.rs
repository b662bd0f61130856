//! How large the networks are.

use burn_pg_envs::{EnvSpec, Space};

use super::bytes::Bytes;
use crate::{
    config::CheckedConfig,
    kernel::Activation,
    policy::{CellKind, NetworkSpec, encoder::PartLayers},
};

/// More layers than this are no single operation of a kernel.
const KERNEL_LAYERS: usize = 8;
/// Fewer columns than this are not filled up in the order in which a kernel reads them.
const NARROW: u64 = 4;
/// Columns that a kernel reads at once.
const PANEL: u64 = 16;
/// What an operation takes in the graph, besides numbers: measured with Burn 0.22 as 300 to 400 for layers of a perceptron.
pub(super) const NODE: Bytes = Bytes(350);
/// The same for one step of a recurrent layer, some thirty operations on small parts of tensors: measured as 21 to 24 KiB.
const CELL_STEP: Bytes = Bytes(22 << 10);

/// Actor and critic of [`ActorCritic`](crate::policy::ActorCritic).
pub(super) struct Networks {
    /// Runs of layers that are one call each: the trunk, the actor, the critic.
    runs: Vec<Run>,
    /// One for the actor, or both; and one for the critic.
    cells: Vec<Cell>,
    /// Parameters of the head.
    head: u64,
    /// Numbers that the actor puts out.
    pub outputs: u64,
    activation: Activation,
    /// Are they kernels of the `flex` backend?
    kernels: bool,
    /// Outputs of the last hidden layer, if deviations depend on them.
    features: u64,
    convolutions: Convolved,
}

/// The convolutions of all encoders.
struct Convolved {
    parameters: u64,
    /// Numbers that all layers of one sample put out, and those that the first is given.
    outputs: u64,
    inputs: u64,
    /// The largest patches of one sample as the rows of a matrix.
    unfolded: u64,
}

impl Convolved {
    fn new(parts: &[PartLayers], encoders: u64) -> Self {
        let mut all = Self { parameters: 0, outputs: 0, inputs: 0, unfolded: 0 };
        for part in parts {
            let PartLayers::Image { shapes, layers, .. } = part else { continue };
            let numbers = |shape: &[usize; 3]| shape.iter().product::<usize>() as u64;
            all.parameters += encoders * part.parameters();
            all.inputs += numbers(&shapes[0]);
            all.outputs += encoders * shapes[1..].iter().map(numbers).sum::<u64>();
            for (i, layer) in layers.iter().enumerate() {
                let patch = shapes[i][0] * layer.kernel * layer.kernel;
                all.unfolded = all.unfolded.max((patch * shapes[i + 1][1] * shapes[i + 1][2]) as u64);
            }
        }
        all
    }
}

/// Layers one after the other.
struct Run {
    /// Inputs of the first layer, then outputs of each.
    sizes: Vec<u64>,
    /// Is the last layer activated?
    activate_last: bool,
}

#[derive(Clone, Copy)]
struct Cell {
    kind: CellKind,
    inputs: u64,
    size: u64,
}

impl Networks {
    pub fn new(config: &CheckedConfig, spec: &EnvSpec, kernels: bool) -> Self {
        let NetworkSpec { hidden_sizes, activation, shared, critic, recurrence, exploration, encoder } =
            config.network();
        // What does not fit is refused when the networks are made.
        let parts = encoder.parts(spec).unwrap_or_default();
        let encoders = if critic && !shared { 2 } else { 1 };
        let convolutions = Convolved::new(&parts, encoders);
        let observed = match parts.is_empty() {
            true => spec.observation_space.flat_len() as u64,
            false => parts.iter().map(PartLayers::features).sum::<usize>() as u64,
        };
        let cells: Vec<Cell> = recurrence
            .into_iter()
            .flat_map(|(kind, size)| {
                vec![Cell { kind, inputs: observed, size: size as u64 }; 1 + usize::from(critic && !shared)]
            })
            .collect();
        let mut hidden = vec![cells.first().map_or(observed, |cell| cell.size)];
        hidden.extend(hidden_sizes.iter().map(|&size| size as u64));
        let (numbers, features) = (spec.action_space.flat_len() as u64, hidden[hidden.len() - 1]);
        let (outputs, head) = match &spec.action_space {
            Space::Discrete { .. } | Space::MultiDiscrete { .. } => (spec.action_space.mask_len() as u64, 0),
            Space::MultiBinary { .. } | Space::Image { .. } | Space::Dict { .. } => (numbers, 0),
            Space::Box { .. } if exploration.sde.is_some() => (numbers, features.saturating_mul(numbers)),
            Space::Box { .. } if exploration.state_dependent => (numbers.saturating_mul(2), 0),
            Space::Box { .. } => (numbers, numbers),
        };
        let mut runs = Vec::new();
        if shared && hidden.len() > 1 {
            runs.push(Run { sizes: std::mem::replace(&mut hidden, vec![features]), activate_last: true });
        }
        let network = |outputs: u64| Run { sizes: [&hidden[..], &[outputs]].concat(), activate_last: false };
        runs.push(network(outputs));
        runs.extend(critic.then(|| network(1)));
        let features = if exploration.sde.is_some() { features } else { 0 };
        Self { runs, cells, head, outputs, activation, kernels, features, convolutions }
    }

    /// Trainable numbers, P.
    pub fn parameters(&self) -> u64 {
        let runs = self.runs.iter().map(Run::parameters);
        let cells = self.cells.iter().map(|cell| cell.parameters());
        runs.chain(cells).chain([self.head, self.convolutions.parameters]).fold(0, u64::saturating_add)
    }

    /// Numbers that are remembered, M.
    pub fn memory_len(&self) -> u64 {
        self.cells.iter().map(|cell| cell.vectors() * cell.size).fold(0, u64::saturating_add)
    }

    /// The widest of all layers.
    pub fn widest(&self) -> u64 {
        self.runs.iter().flat_map(|run| &run.sizes).copied().max().unwrap_or_default()
    }

    /// Numbers of one sample that are there at once on the way to the outputs, if nothing is kept: inputs and outputs of a layer, or
    /// what a step of a recurrent one works with.
    pub fn on_the_way(&self) -> u64 {
        let of_cells = self.cells.iter().map(|cell| cell.kept() - 2 * cell.size).max().unwrap_or_default();
        of_cells.max(self.widest().saturating_mul(2))
    }

    /// The copy that acts on the host, if there is one.
    pub fn on_host(&self) -> Bytes {
        self.runs.iter().map(Run::panels).sum()
    }

    /// What a thread that differentiates `rows` samples keeps for the next time.
    pub fn pooled(&self, rows: u64) -> Bytes {
        let of_each = if self.activation == Activation::Silu { 2 } else { 1 };
        let runs = self.runs.iter().filter(|run| self.is_kernel(run));
        Bytes::floats(runs.map(Run::outputs).fold(0, u64::saturating_add)) * of_each * rows
    }

    /// What the forward pass keeps for the backward pass besides, `steps` being those of a sequence.
    pub fn kept(&self, rows: u64, steps: u64) -> Bytes {
        let runs = self.runs.iter().map(|run| match self.is_kernel(run) {
            // What comes out is copied out of what is kept, and the weights are in another order.
            true => Bytes::floats(run.last()) * rows + run.panels(),
            false => {
                let (layers, kept) = (run.sizes.len() as u64, self.kept_by_ordinary_layers());
                let numbers = run.activated().saturating_mul(kept).saturating_add(run.last());
                Bytes::floats(numbers) * rows + NODE * layers.saturating_mul(8)
            }
        });
        let cells = self.cells.iter().map(|cell| Bytes::floats(cell.kept()) * rows + CELL_STEP * steps);
        // Deviations are computed from the squares of the features.
        let features = Bytes::floats(self.features) * 2 * rows;
        // Of each convolution what comes out, and what the activation makes of it; and the images as floats.
        let Convolved { outputs, inputs, .. } = self.convolutions;
        let convolved = Bytes::floats(2 * outputs + inputs) * rows;
        runs.chain(cells).chain([features, convolved]).sum()
    }

    /// What the forward pass needs beyond that for a moment.
    pub fn passing(&self, rows: u64) -> Bytes {
        let cell = self.cells.iter().map(|cell| cell.passing()).max().unwrap_or_default();
        let layer = self.runs.iter().filter(|run| !self.is_kernel(run)).map(|run| 2 * run.widest()).max();
        Bytes::floats(cell.max(layer.unwrap_or_default()).max(self.convolutions.unfolded)) * rows
    }

    /// What the backward pass needs beyond what is kept, one network after the other: gradients of the weights, which a kernel
    /// adds up in several tasks; and slopes on their way, with the weights in another order.
    pub fn backward(&self, rows: u64) -> [Bytes; 2] {
        let all = Bytes::floats(self.parameters()) * 2;
        let is_shared = self.runs.iter().any(|run| run.activate_last);
        let of_run = |run: &Run| {
            // Slopes in what several networks are given are added up.
            let shared = match (is_shared, run.activate_last) {
                (false, _) => 0,
                (true, true) => run.last(),
                (true, false) => 2 * run.sizes[0],
            };
            match self.is_kernel(run) {
                true => [Bytes::floats(run.parameters()) * tasks(rows), run.panels() + Bytes::floats(shared) * rows],
                false => [all, Bytes::floats(2 * run.widest()) * rows],
            }
        };
        let of_cell = |cell: &Cell| [all, Bytes::floats(2 * cell.gates() * cell.size) * rows];
        let steps = self.runs.iter().map(of_run).chain(self.cells.iter().map(of_cell));
        steps.max_by_key(|&[gradients, slopes]| gradients + slopes).unwrap_or_default()
    }

    /// Is there any product of two matrices that is no kernel? (Held noise of one action is a product with a vector.)
    pub fn has_ordinary_products(&self) -> bool {
        let of_noise = self.features > 0 && self.outputs > 1;
        of_noise
            || self.convolutions.parameters > 0
            || !self.cells.is_empty()
            || self.runs.iter().any(|run| !self.is_kernel(run))
    }

    fn is_kernel(&self, run: &Run) -> bool {
        self.kernels && run.sizes.len() <= KERNEL_LAYERS + 1
    }

    /// Numbers that are kept for each output of a hidden layer out of ordinary operations: what the activation is given, or its
    /// slope; what it makes of it; and in between, for `silu`, its sigmoid.
    fn kept_by_ordinary_layers(&self) -> u64 {
        match self.activation {
            Activation::Tanh | Activation::Relu => 2,
            Activation::Silu => 3,
        }
    }
}

impl Run {
    fn parameters(&self) -> u64 {
        let layers = self.sizes.windows(2).map(|size| (size[0] + 1).saturating_mul(size[1]));
        layers.fold(0, u64::saturating_add)
    }

    /// The weights as a kernel reads them.
    fn panels(&self) -> Bytes {
        let filled = |columns: u64| if columns <= NARROW { columns } else { columns.next_multiple_of(PANEL) };
        let layers = self.sizes.windows(2).map(|size| (size[0] + 1).saturating_mul(filled(size[1])));
        Bytes::floats(layers.fold(0, u64::saturating_add))
    }

    /// Numbers that all layers put out.
    fn outputs(&self) -> u64 {
        self.sizes[1..].iter().copied().fold(0, u64::saturating_add)
    }

    fn last(&self) -> u64 {
        self.sizes[self.sizes.len() - 1]
    }

    fn activated(&self) -> u64 {
        if self.activate_last { self.outputs() } else { self.outputs() - self.last() }
    }

    fn widest(&self) -> u64 {
        self.sizes.iter().copied().max().unwrap_or_default()
    }
}

impl Cell {
    fn gates(self) -> u64 {
        match self.kind {
            CellKind::Gru => 3,
            CellKind::Lstm => 4,
        }
    }

    fn vectors(self) -> u64 {
        match self.kind {
            CellKind::Gru => 1,
            CellKind::Lstm => 2,
        }
    }

    fn parameters(self) -> u64 {
        (self.inputs + self.size + 2).saturating_mul(self.gates() * self.size)
    }

    /// Numbers that each step of each sequence keeps. For a GRU: the memory without those of ended episodes, what the three
    /// tangents are given, the three blocks of `h V + c`, r, z and the difference that z weighs; and the output. For LSTM, 16
    /// of the same length.
    fn kept(self) -> u64 {
        match self.kind {
            CellKind::Gru => 11 * self.size,
            CellKind::Lstm => 16 * self.size,
        }
    }

    /// `input W + b` for all steps, and their outputs before they are put together.
    fn passing(self) -> u64 {
        (self.gates() + 1) * self.size
    }
}

/// Tasks that a backward pass of so many rows is cut into: see `kernel/host/network.rs`.
fn tasks(rows: u64) -> u64 {
    rows.div_ceil(rows.div_ceil(16).next_multiple_of(128).max(128)).max(1)
}
