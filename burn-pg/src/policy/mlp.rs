//! Multi-layer perceptrons as actor and critic.

use burn::{
    module::{Module, Param},
    nn::Linear,
    tensor::{Device, Tensor, TensorData},
};
use burn_pg_envs::{EnvRng, EnvSpec, Space};

use super::{Activation, ActorCritic, Exploration, Head, Observation, UnsupportedSpace, orthogonal};
use crate::distribution::AnyDistribution;

/// The gain of hidden layers.
const HIDDEN_GAIN: f64 = std::f64::consts::SQRT_2;
/// The gain of the policy's last layer: the first policy is nearly uniform.
const POLICY_GAIN: f64 = 0.01;
/// The gain of the value's last layer.
const VALUE_GAIN: f64 = 1.0;

/// A multi-layer perceptron: hidden layers with an activation, and a linear last layer.
#[derive(Module, Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
    #[module(skip)]
    activation: Activation,
}

impl Mlp {
    /// A network from `sizes[0]` inputs over hidden layers to `sizes.last()` outputs. Weights are orthogonal with gain
    /// sqrt 2 (`last_gain` in the last layer), biases 0.
    ///
    /// # Panics
    /// If there are fewer than two sizes.
    #[must_use]
    pub fn new(sizes: &[usize], activation: Activation, last_gain: f64, rng: &mut EnvRng, device: &Device) -> Self {
        let last = sizes.len().checked_sub(2).expect("at least an input and an output size");
        let layers = sizes.windows(2).enumerate().map(|(i, size)| {
            let gain = if i == last { last_gain } else { HIDDEN_GAIN };
            linear(size[0], size[1], gain, rng, device)
        });
        Self { layers: layers.collect(), activation }
    }

    /// From inputs of shape `[B, sizes[0]]` to outputs of shape `[B, sizes.last()]`.
    #[must_use]
    pub fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.output(self.features(input))
    }

    /// From inputs to what the last hidden layer makes of them, which is the inputs themselves if there is none.
    #[must_use]
    pub fn features(&self, input: Tensor<2>) -> Tensor<2> {
        let hidden = &self.layers[..self.layers.len() - 1];
        hidden.iter().fold(input, |input, layer| self.activation.apply(layer.forward(input)))
    }

    /// From features to outputs: the linear last layer.
    #[must_use]
    pub fn output(&self, features: Tensor<2>) -> Tensor<2> {
        self.layers.last().expect("a network has a layer").forward(features)
    }
}

fn linear(inputs: usize, outputs: usize, gain: f64, rng: &mut EnvRng, device: &Device) -> Linear {
    let weight = TensorData::new(orthogonal(inputs, outputs, gain, rng), [inputs, outputs]);
    let bias = TensorData::new(vec![0.0_f32; outputs], [outputs]);
    Linear { weight: Param::from_data(weight, device), bias: Some(Param::from_data(bias, device)) }
}

/// The networks of an actor and a critic.
#[derive(Debug, Clone, PartialEq)]
pub struct MlpShape {
    /// Widths of the hidden layers of actor and critic.
    pub hidden_sizes: Vec<usize>,
    /// What follows each hidden layer.
    pub activation: Activation,
    /// Do actor and critic share their hidden layers?
    pub shared: bool,
    /// How continuous actions are explored.
    pub exploration: Exploration,
}

impl Default for MlpShape {
    /// Two hidden layers of 64 each, with tanh, for actor and critic apart.
    fn default() -> Self {
        Self {
            hidden_sizes: vec![64, 64],
            activation: Activation::Tanh,
            shared: false,
            exploration: Exploration::default(),
        }
    }
}

/// A policy over actions of any kind and a value, as perceptrons.
#[derive(Module, Debug)]
pub struct MlpActorCritic {
    /// Hidden layers that both share, if they do.
    trunk: Option<Mlp>,
    actor: Mlp,
    critic: Mlp,
    head: Head,
}

impl MlpActorCritic {
    /// Networks for the spaces of an environment, drawn from `rng` and placed on `device` (with
    /// [`autodiff`](Device::autodiff) to train them).
    ///
    /// # Errors
    /// [`UnsupportedSpace`] unless observations are a box.
    ///
    /// # Panics
    /// If the exploration is state-dependent in two ways: see [`Head::new`].
    pub fn new(spec: &EnvSpec, shape: &MlpShape, rng: &mut EnvRng, device: &Device) -> Result<Self, UnsupportedSpace> {
        if !matches!(spec.observation_space, Space::Box { .. }) {
            return Err(UnsupportedSpace::observation(spec));
        }
        let mut hidden = vec![spec.observation_space.flat_len()];
        hidden.extend_from_slice(&shape.hidden_sizes);
        let head = Head::new(&spec.action_space, shape.exploration, hidden[hidden.len() - 1], device);
        let mut network = |before: &[usize], outputs: usize, gain: f64| {
            let sizes = [before, &[outputs]].concat();
            Mlp::new(&sizes, shape.activation, gain, rng, device)
        };
        let (trunk, before) = match (shape.shared, hidden.split_last()) {
            (true, Some((&last, before))) if !before.is_empty() => {
                (Some(network(before, last, HIDDEN_GAIN)), vec![last])
            }
            _ => (None, hidden),
        };
        let actor = network(&before, head.inputs(&spec.action_space), POLICY_GAIN);
        Ok(Self { trunk, actor, critic: network(&before, 1, VALUE_GAIN), head })
    }

    /// What actor and critic begin with. Shape `[B, H]`.
    fn features(&self, observation: &Observation) -> Tensor<2> {
        let values = observation.values.clone();
        match &self.trunk {
            None => values,
            Some(trunk) => trunk.activation.apply(trunk.forward(values)),
        }
    }

    /// What the actor makes of them.
    fn act(&self, features: Tensor<2>, observation: &Observation) -> AnyDistribution {
        let features = self.actor.features(features);
        self.head.distribution(self.actor.output(features.clone()), features, observation)
    }
}

impl ActorCritic for MlpActorCritic {
    type Dist = AnyDistribution;

    fn distribution(&self, observation: Observation) -> AnyDistribution {
        self.act(self.features(&observation), &observation)
    }

    fn value(&self, observation: Observation) -> Tensor<1> {
        self.critic.forward(self.features(&observation)).squeeze_dim(1)
    }

    fn forward(&self, observation: Observation) -> (AnyDistribution, Tensor<1>) {
        let features = self.features(&observation);
        let distribution = self.act(features.clone(), &observation);
        (distribution, self.critic.forward(features).squeeze_dim(1))
    }
}
