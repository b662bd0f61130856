//! Memory of networks, from the sizes of their layers.
//!
//! The memory of a kind of layer is defined next to its code; this file adds it up. The memory of a new encoder belongs
//! in [`PartLayers`], that of a new recurrent layer in [`CellKind`].

use burn_pg_envs::{EnvSpec, Space};

use super::{
    CellKind, NetworkSpec,
    cell::STEP_BYTES,
    encoder::{Inputs, PartLayers},
};
use crate::kernel::{
    Activation, MOST_LAYERS,
    host::{BLOCK, held_elements, kept_bytes, tasks},
};

/// Bytes of a `f32`.
const FLOAT: u64 = 4;
/// Bytes of an operation in the autodiff graph, besides the elements of its tensors: measured with Burn 0.22 as 300 to
/// 400.
const NODE: u64 = 350;
/// Operations of a layer that is not a kernel.
const OPERATIONS: u64 = 8;

/// The layers of an actor and a critic.
#[derive(Clone)]
pub(crate) struct NetworkFootprint {
    /// Perceptrons: the trunk, the actor, the critic. Each is one call of a kernel.
    perceptrons: Vec<Perceptron>,
    /// Recurrent layers with their inputs and widths: one for the actor, and one for the critic unless they share it.
    cells: Vec<(CellKind, u64, u64)>,
    /// The layers for the parts of an observation in each encoder: that of the actor, and that of the critic unless they
    /// share it.
    encoders: Vec<Vec<PartLayers>>,
    /// True if the networks see some parts of an observation only.
    selects_inputs: bool,
    /// Parameters of the head.
    head: u64,
    /// Outputs of the actor.
    pub outputs: u64,
    /// Outputs of the last hidden layer, if gSDE noise depends on them; 0 if not.
    noise_features: u64,
    /// True if continuous actions have a Beta distribution.
    is_beta: bool,
    activation: Activation,
    kernels: bool,
}

/// A chain of linear layers.
#[derive(Clone)]
struct Perceptron {
    /// Inputs of the first layer, then outputs of each.
    sizes: Vec<u64>,
    activate_last: bool,
    is_kernel: bool,
}

impl NetworkSpec {
    /// Returns the layers for the spaces of an environment. An encoder that does not fit the observations counts as no
    /// layers, because creating its networks will fail. `kernels` is true if perceptrons are kernels of the `flex`
    /// backend.
    pub(crate) fn footprint(&self, spec: &EnvSpec, kernels: bool) -> NetworkFootprint {
        let mut inputs = self.inputs(spec).unwrap_or_default().to_vec();
        let of_inputs = |inputs: &Inputs| {
            let observed = inputs.features() as u64;
            let cell = self.recurrence.map(|(kind, size)| (kind, observed, size as u64));
            let first = cell.map_or(observed, |(_, _, size)| size);
            (cell, [first].into_iter().chain(self.hidden_sizes.iter().map(|&size| size as u64)).collect::<Vec<_>>())
        };
        let ((cell, mut hidden), (cell_of_critic, mut of_critic)) = (of_inputs(&inputs[0]), of_inputs(&inputs[1]));
        inputs.truncate(if self.critic && !self.shared { 2 } else { 1 });
        let cells = cell.into_iter().chain(cell_of_critic).take(inputs.len()).collect();
        let (action_len, features) = (spec.action_space.flat_len() as u64, hidden[hidden.len() - 1]);
        let (outputs, head) = match &spec.action_space {
            Space::Discrete { .. } | Space::MultiDiscrete { .. } => (spec.action_space.mask_len() as u64, 0),
            Space::MultiBinary { .. } | Space::Image { .. } | Space::Dict { .. } => (action_len, 0),
            Space::Box { .. } if self.exploration.sde.is_some() => (action_len, features * action_len),
            Space::Box { .. } if self.exploration.state_dependent || self.exploration.is_beta() => (2 * action_len, 0),
            Space::Box { .. } => (action_len, action_len),
        };
        let perceptron = |sizes: Vec<u64>, activate_last| {
            let is_kernel = kernels && sizes.len() <= MOST_LAYERS + 1;
            Perceptron { sizes, activate_last, is_kernel }
        };
        let mut perceptrons = Vec::new();
        if self.shared && hidden.len() > 1 {
            perceptrons.push(perceptron(std::mem::replace(&mut hidden, vec![features]), true));
            of_critic = vec![features];
        }
        perceptrons.push(perceptron([&hidden[..], &[outputs]].concat(), false));
        perceptrons.extend(self.critic.then(|| perceptron([&of_critic[..], &[1]].concat(), false)));
        NetworkFootprint {
            perceptrons,
            cells,
            encoders: inputs.into_iter().map(|inputs| inputs.parts).collect(),
            selects_inputs: self.selects_inputs(),
            head,
            outputs,
            noise_features: if self.exploration.sde.is_some() { features } else { 0 },
            is_beta: self.exploration.is_beta(),
            activation: self.activation,
            kernels,
        }
    }
}

impl NetworkFootprint {
    /// Returns the footprint of a network whose layers are unknown: only its outputs count.
    pub fn unknown(spec: &EnvSpec) -> Self {
        let known = NetworkSpec::default().footprint(spec, false);
        Self { perceptrons: Vec::new(), head: 0, ..known }
    }

    /// Returns the layers of the actor alone, which must share none with the critic.
    pub fn of_actor(&self) -> Self {
        let mut actor = self.clone();
        actor.perceptrons.truncate(1);
        actor.cells.truncate(1);
        actor.encoders.truncate(1);
        actor
    }

    /// Trainable parameters, P.
    pub fn parameters(&self) -> u64 {
        let perceptrons = self.perceptrons.iter().map(Perceptron::parameters);
        let cells = self.cells.iter().map(|&(kind, inputs, size)| kind.parameters(inputs, size));
        let encoders = self.encoders.iter().flatten().map(PartLayers::parameters);
        perceptrons.chain(cells).chain(encoders).chain([self.head]).fold(0, u64::saturating_add)
    }

    /// Elements of the recurrent state, M.
    pub fn state_len(&self) -> u64 {
        self.cells.iter().map(|&(kind, _, size)| kind.vectors() as u64 * size).sum()
    }

    /// True if the policy acts on the host without tensors.
    pub fn act_on_host(&self) -> bool {
        let sees_vectors = !self.has_convolutions() && !self.selects_inputs;
        self.kernels && self.cells.is_empty() && sees_vectors && self.noise_features == 0
    }

    /// Elements of gSDE noise per environment.
    pub fn sde_noise(&self) -> u64 {
        self.noise_features * self.outputs
    }

    /// Width of the widest layer of all perceptrons.
    pub fn widest(&self) -> u64 {
        self.perceptrons.iter().map(Perceptron::widest).max().unwrap_or_default()
    }

    /// Bytes of one sample in a forward pass without autodiff.
    pub fn inferring(&self) -> u64 {
        let cells = self.cells.iter().map(|&(kind, _, size)| kind.kept(size) - 2 * size);
        let images = self.encoders.iter().flatten().map(|part| part.temporary(false) + part.kept());
        FLOAT * cells.chain(images).chain([2 * self.widest()]).max().unwrap_or_default()
    }

    /// Bytes of the copy that acts on the host.
    pub fn on_host(&self) -> u64 {
        if self.act_on_host() { self.perceptrons.iter().map(Perceptron::held).sum() } else { 0 }
    }

    /// Bytes of a minibatch of `rows` samples that goes through everything without tensors: gradients of parameters,
    /// and all intermediate results with the weights in the order in which they are read. `columns` are the elements of
    /// a sample besides its observation.
    pub fn fused(&self, rows: u64, columns: u64) -> [u64; 2] {
        let rows = usize::try_from(rows).unwrap_or(usize::MAX / 2);
        let (tasks, block) = (tasks(rows) as u64, rows.min(BLOCK) as u64);
        let networks = self.perceptrons.iter();
        let kept: u64 = networks
            .clone()
            .map(|of| kept_bytes::<f32>(&of.sizes, self.activation, block) + FLOAT * block * of.sizes[0])
            .sum();
        // Actor and critic each have the samples, unless they share layers.
        let groups = if networks.clone().any(|of| of.activate_last) { 1 } else { networks.len() as u64 };
        let of_block = kept + FLOAT * block * (groups * (2 * self.widest() + columns + 16) + 8 * self.outputs);
        let held: u64 = networks.map(|of| of.held() + of.held_back()).sum();
        // Each layer has a copy, in which its next parameters are written.
        [FLOAT * self.parameters() * tasks, of_block * tasks + 2 * held]
    }

    /// Bytes that the forward pass keeps for the backward pass. `steps` is the number of steps of a sequence.
    pub fn kept(&self, rows: u64, steps: u64) -> u64 {
        let perceptrons = self.perceptrons.iter().map(|perceptron| perceptron.kept(self.activation, rows));
        let cells = self.cells.iter().map(|&(kind, _, size)| FLOAT * kind.kept(size) * rows + STEP_BYTES * steps);
        let encoders = self.encoders.iter().flatten().map(|part| FLOAT * part.kept() * rows);
        // Standard deviations are computed from the squares of the features.
        perceptrons.chain(cells).chain(encoders).sum::<u64>() + FLOAT * 2 * self.noise_features * rows
    }

    /// Temporary bytes that the forward pass needs beyond those that are [`kept`](Self::kept).
    pub fn temporary(&self, rows: u64) -> u64 {
        let cells = self.cells.iter().map(|&(kind, _, size)| kind.temporary(size));
        let without_kernel = self.perceptrons.iter().filter(|perceptron| !perceptron.is_kernel);
        let images = self.encoders.iter().flatten().map(|part| part.temporary(false));
        FLOAT * rows * cells.chain(without_kernel.map(|of| 2 * of.widest())).chain(images).max().unwrap_or_default()
    }

    /// Bytes that the backward pass needs beyond those that are [`kept`](Self::kept), in the network that needs most:
    /// gradients of parameters, and temporary gradients of outputs.
    pub fn backward(&self, rows: u64) -> [u64; 2] {
        let is_shared = self.perceptrons.iter().any(|perceptron| perceptron.activate_last);
        let all = 2 * FLOAT * self.parameters();
        let perceptrons = self.perceptrons.iter().map(|perceptron| {
            // Gradients of a shared input of several networks are added up.
            let shared = match (is_shared, perceptron.activate_last) {
                (false, _) => 0,
                (true, true) => perceptron.last(),
                (true, false) => 2 * perceptron.sizes[0],
            };
            match perceptron.is_kernel {
                true => {
                    let tasks = tasks(usize::try_from(rows).unwrap_or(usize::MAX / 2)) as u64;
                    [FLOAT * perceptron.parameters() * tasks, FLOAT * shared * rows]
                }
                false => [all, FLOAT * 2 * perceptron.widest() * rows],
            }
        });
        let cells = self.cells.iter().map(|&(kind, _, size)| [all, FLOAT * 2 * kind.gates() as u64 * size * rows]);
        let images = self.encoders.iter().flatten().filter(|part| part.parameters() > 0);
        let images = images.map(|part| [all / 2, FLOAT * part.temporary(true) * rows]);
        perceptrons.chain(cells).chain(images).max_by_key(|bytes| bytes[0] + bytes[1]).unwrap_or_default()
    }

    /// Elements of each sample that a distribution over actions keeps, and those that it needs temporarily.
    pub fn of_distribution(&self, actions: &Space) -> [u64; 2] {
        let outputs = self.outputs;
        match actions {
            // Logarithms of actions, gradients of the formulas, and the inside of the latter.
            Space::Box { .. } if self.is_beta => [10 * outputs + 8, 8 * outputs],
            Space::Box { .. } if self.kernels && self.noise_features == 0 => [3 * outputs + 2, outputs + 1],
            Space::Discrete { .. } | Space::MultiDiscrete { .. } if self.kernels => [2 * outputs + 2, outputs + 1],
            _ => [8 * outputs + 8, 4 * outputs],
        }
    }

    /// True if any matrix product is computed outside kernels. (gSDE noise of a single action is a product with a
    /// vector.)
    pub fn has_products_outside_kernels(&self) -> bool {
        !self.cells.is_empty()
            || self.has_convolutions()
            || (self.noise_features > 0 && self.outputs > 1)
            || self.perceptrons.iter().any(|perceptron| !perceptron.is_kernel)
    }

    fn has_convolutions(&self) -> bool {
        self.encoders.iter().flatten().any(|part| part.parameters() > 0)
    }
}

impl Perceptron {
    fn parameters(&self) -> u64 {
        self.sizes.windows(2).map(|size| (size[0] + 1) * size[1]).sum()
    }

    /// Bytes of the parameters in the order in which a kernel reads them.
    fn held(&self) -> u64 {
        FLOAT * held_elements::<f32>(&self.sizes)
    }

    /// Bytes of the parameters in the order in which the backward pass reads them.
    fn held_back(&self) -> u64 {
        let reversed: Vec<u64> = self.sizes[1..].iter().rev().copied().collect();
        FLOAT * held_elements::<f32>(&reversed)
    }

    fn last(&self) -> u64 {
        self.sizes[self.sizes.len() - 1]
    }

    fn widest(&self) -> u64 {
        self.sizes.iter().copied().max().unwrap_or_default()
    }

    fn kept(&self, activation: Activation, rows: u64) -> u64 {
        if self.is_kernel {
            // The result is a copy of the outputs of the last layer.
            let kept = kept_bytes::<f32>(&self.sizes, activation, rows);
            return kept + FLOAT * self.last() * rows + self.held() + self.held_back();
        }
        // For each output of a hidden layer: the input of the activation, or its derivative; its output; and for `silu`
        // the sigmoid.
        let each = if activation == Activation::Silu { 3 } else { 2 };
        let outputs: u64 = self.sizes[1..].iter().sum();
        let activated = if self.activate_last { outputs } else { outputs - self.last() };
        FLOAT * (each * activated + self.last()) * rows + NODE * OPERATIONS * self.sizes.len() as u64
    }
}
