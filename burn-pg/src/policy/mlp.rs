//! Multi-layer perceptrons as actor and critic.

use burn::{
    module::Module,
    nn::Linear,
    tensor::{Device, Tensor},
};
use burn_pg_envs::{EnvRng, EnvSpec, Space};

use super::{
    Activation, Cell, CellKind, Exploration, Head, HostPolicy, Observation, Policy, Prediction, UnsupportedSpace,
    init::{Initial, linear},
};
use crate::{
    distribution::AnyDistribution,
    kernel::{host::Network, on_host, perceptron},
};

/// The gain of hidden layers.
const HIDDEN_GAIN: f64 = std::f64::consts::SQRT_2;
/// The gain of the policy's last layer: the first policy is nearly uniform.
const POLICY_GAIN: f64 = 0.01;
/// The gain of the value's last layer.
const VALUE_GAIN: f64 = 1.0;

/// A multi-layer perceptron: hidden layers with an activation, and a linear last layer.
#[derive(Module, Debug)]
pub struct Mlp {
    pub(crate) layers: Vec<Linear>,
    #[module(skip)]
    pub(crate) activation: Activation,
}

impl Mlp {
    /// A network from `sizes[0]` inputs over hidden layers to `sizes.last()` outputs. Weights are orthogonal with gain
    /// sqrt 2 (`last_gain` in the last layer), biases 0.
    ///
    /// # Panics
    /// If there are fewer than two sizes.
    #[must_use]
    pub fn new(sizes: &[usize], activation: Activation, last_gain: f64, rng: &mut EnvRng, device: &Device) -> Self {
        Self::with(sizes, activation, last_gain, &mut Initial::Orthogonal(rng), device)
    }

    fn with(
        sizes: &[usize],
        activation: Activation,
        last_gain: f64,
        initial: &mut Initial<'_>,
        device: &Device,
    ) -> Self {
        let last = sizes.len().checked_sub(2).expect("at least an input and an output size");
        let layers = sizes.windows(2).enumerate().map(|(i, size)| {
            let gain = if i == last { last_gain } else { HIDDEN_GAIN };
            linear(size[0], &size[1..], gain, vec![0.0; size[1]], initial, device)
        });
        Self { layers: layers.collect(), activation }
    }

    /// Where its weights are.
    pub(crate) fn device(&self) -> Device {
        self.layers[0].weight.val().device()
    }

    /// From inputs of shape `[B, sizes[0]]` to outputs of shape `[B, sizes.last()]`.
    #[must_use]
    pub fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        perceptron(input, &self.layers, self.activation, false)
    }

    /// [`forward`](Self::forward), with the activation behind the last layer too.
    #[must_use]
    pub fn activated(&self, input: Tensor<2>) -> Tensor<2> {
        perceptron(input, &self.layers, self.activation, true)
    }

    /// From inputs to what the last hidden layer makes of them, which is the inputs themselves if there is none.
    #[must_use]
    pub fn features(&self, input: Tensor<2>) -> Tensor<2> {
        match &self.layers[..self.layers.len() - 1] {
            [] => input,
            hidden => perceptron(input, hidden, self.activation, true),
        }
    }

    /// From features to outputs: the linear last layer.
    #[must_use]
    pub fn output(&self, features: Tensor<2>) -> Tensor<2> {
        self.layers.last().expect("a network has a layer").forward(features)
    }
}

/// Networks one after the other as one, on the host, with an activation between any two layers; none if there is no such
/// copy, or their activations differ.
pub(super) fn chain_on_host(networks: &[&Mlp]) -> Option<Network<f32>> {
    let activation = networks.first()?.activation;
    if networks.iter().any(|network| network.activation != activation) {
        return None;
    }
    let layers = networks.iter().flat_map(|network| &network.layers);
    let layers: Option<Vec<(Vec<f32>, Vec<f32>)>> =
        layers.map(|layer| Some((on_host(layer.weight.val())?, on_host(layer.bias.as_ref()?.val())?))).collect();
    let layers = layers?;
    Some(Network::new(layers.iter().map(|(weight, bias)| (&weight[..], &bias[..])), activation, false))
}

/// The networks of an actor and a critic.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkSpec {
    /// Widths of the hidden layers of actor and critic.
    pub hidden_sizes: Vec<usize>,
    /// What follows each hidden layer.
    pub activation: Activation,
    /// Do actor and critic share their hidden layers, and what they remember?
    pub shared: bool,
    /// Is there a critic?
    pub critic: bool,
    /// The recurrent layer before the hidden layers and its width, if there is one.
    pub recurrence: Option<(CellKind, usize)>,
    /// How continuous actions are explored.
    pub exploration: Exploration,
}

impl Default for NetworkSpec {
    /// Two hidden layers of 64 each, with tanh, for actor and critic apart. Nothing is remembered.
    fn default() -> Self {
        Self {
            hidden_sizes: vec![64, 64],
            activation: Activation::Tanh,
            shared: false,
            critic: true,
            recurrence: None,
            exploration: Exploration::default(),
        }
    }
}

/// A policy over actions of any kind and a value, as perceptrons; if wanted, behind recurrent layers.
#[derive(Module, Debug)]
pub struct ActorCritic {
    /// The recurrent layer of the actor, if there is one; of both, if they share their layers.
    pub(crate) memory: Option<Cell>,
    /// That of the critic, if it has one of its own.
    pub(crate) critic_memory: Option<Cell>,
    /// Hidden layers that both share, if they do.
    pub(crate) trunk: Option<Mlp>,
    pub(crate) actor: Mlp,
    pub(crate) critic: Option<Mlp>,
    pub(crate) head: Head,
}

impl ActorCritic {
    /// Networks for the spaces of an environment, drawn from `rng` and placed on `device` (with
    /// [`autodiff`](Device::autodiff) to train them).
    ///
    /// # Errors
    /// [`UnsupportedSpace`] unless observations are a box.
    ///
    /// # Panics
    /// If the exploration is state-dependent in two ways: see [`Head::new`].
    pub fn new(
        spec: &EnvSpec,
        shape: &NetworkSpec,
        rng: &mut EnvRng,
        device: &Device,
    ) -> Result<Self, UnsupportedSpace> {
        Self::with(spec, shape, &mut Initial::Orthogonal(rng), device)
    }

    /// Networks of the same shapes, for weights that are loaded into them.
    pub(crate) fn blank(spec: &EnvSpec, shape: &NetworkSpec, device: &Device) -> Result<Self, UnsupportedSpace> {
        Self::with(spec, shape, &mut Initial::Zero, device)
    }

    fn with(
        spec: &EnvSpec,
        shape: &NetworkSpec,
        initial: &mut Initial<'_>,
        device: &Device,
    ) -> Result<Self, UnsupportedSpace> {
        if !matches!(spec.observation_space, Space::Box { .. }) {
            return Err(UnsupportedSpace::observation(spec));
        }
        let observed = spec.observation_space.flat_len();
        let mut cell = |wanted: bool| {
            let (kind, size) = shape.recurrence.filter(|_| wanted)?;
            Some(Cell::with(kind, observed, size, initial, device))
        };
        let (memory, critic_memory) = (cell(true), cell(shape.critic && !shape.shared));
        let mut hidden = vec![shape.recurrence.map_or(observed, |(_, size)| size)];
        hidden.extend_from_slice(&shape.hidden_sizes);
        let head = Head::new(&spec.action_space, shape.exploration, hidden[hidden.len() - 1], device);
        let mut network = |before: &[usize], outputs: usize, gain: f64| {
            let sizes = [before, &[outputs]].concat();
            Mlp::with(&sizes, shape.activation, gain, initial, device)
        };
        let (trunk, before) = match (shape.shared, hidden.split_last()) {
            (true, Some((&last, before))) if !before.is_empty() => {
                (Some(network(before, last, HIDDEN_GAIN)), vec![last])
            }
            _ => (None, hidden),
        };
        let actor = network(&before, head.inputs(&spec.action_space), POLICY_GAIN);
        let critic = shape.critic.then(|| network(&before, 1, VALUE_GAIN));
        Ok(Self { memory, critic_memory, trunk, actor, critic, head })
    }

    /// What actor and critic begin with, of shape `[B, H]` each, and what is remembered after it.
    fn features(&self, observation: &Observation) -> (Tensor<2>, Tensor<2>, Option<Tensor<2>>) {
        let (actor, critic, memory) = self.recall(observation);
        match &self.trunk {
            None => (actor, critic, memory),
            Some(trunk) => {
                let features = trunk.activated(actor);
                (features.clone(), features, memory)
            }
        }
    }

    /// What has been observed: now, and if the policy remembers, before.
    fn recall(&self, observation: &Observation) -> (Tensor<2>, Tensor<2>, Option<Tensor<2>>) {
        let values = observation.vector();
        let Some(cell) = &self.memory else {
            return (values.clone(), values, None);
        };
        let sequences = observation.sequences.as_ref().expect("a policy that remembers is given sequences");
        let begins = &sequences.begins;
        let remembered = |from: usize, of: &Cell| sequences.memory.clone().narrow(1, from, of.memory_len());
        let (actor, memory) = cell.forward(values.clone(), remembered(0, cell), begins);
        let Some(critics) = &self.critic_memory else {
            return (actor.clone(), actor, Some(memory));
        };
        let (critic, of_critic) = critics.forward(values, remembered(cell.memory_len(), critics), begins);
        (actor, critic, Some(Tensor::cat(vec![memory, of_critic], 1)))
    }
}

impl Policy for ActorCritic {
    type Observation = Observation;
    type Dist = AnyDistribution;

    fn forward(&self, observation: Observation) -> Prediction<AnyDistribution> {
        let (for_actor, for_critic, memory) = self.features(&observation);
        let distribution = match self.head.looks_at_features() {
            false => self.head.distribution(self.actor.forward(for_actor), None, &observation),
            true => {
                let features = self.actor.features(for_actor);
                self.head.distribution(self.actor.output(features.clone()), Some(features), &observation)
            }
        };
        let values = self.critic.as_ref().map(|critic| critic.forward(for_critic).squeeze_dim(1));
        Prediction { distribution, values, memory }
    }

    /// On the `flex` backend, in single precision, for a policy that neither remembers nor holds its noise.
    fn on_host(&self) -> Option<HostPolicy<AnyDistribution>> {
        if self.memory.is_some() {
            return None;
        }
        let behind_trunk = |network| self.trunk.iter().chain([network]).collect::<Vec<&Mlp>>();
        let critic = self.critic.as_ref().map(behind_trunk);
        HostPolicy::new(&behind_trunk(&self.actor), critic.as_deref(), &self.head)
    }

    fn memory_len(&self) -> usize {
        [&self.memory, &self.critic_memory].into_iter().flatten().map(Cell::memory_len).sum()
    }
}
