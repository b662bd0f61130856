//! Multi-layer perceptrons as actor and critic.

use burn::{
    module::{Module, Param},
    nn::Linear,
    tensor::{Device, Tensor, TensorData},
};
use burn_pg_envs::{EnvRng, EnvSpec, Space};

use super::{Activation, ActorCritic, UnsupportedSpace, orthogonal};
use crate::distribution::Categorical;

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
        let (last, hidden) = self.layers.split_last().expect("a network has a layer");
        let output = hidden.iter().fold(input, |input, layer| self.activation.apply(layer.forward(input)));
        last.forward(output)
    }
}

fn linear(inputs: usize, outputs: usize, gain: f64, rng: &mut EnvRng, device: &Device) -> Linear {
    let weight = TensorData::new(orthogonal(inputs, outputs, gain, rng), [inputs, outputs]);
    let bias = TensorData::new(vec![0.0_f32; outputs], [outputs]);
    Linear { weight: Param::from_data(weight, device), bias: Some(Param::from_data(bias, device)) }
}

/// Two separate perceptrons: a policy over discrete actions, and a value.
#[derive(Module, Debug)]
pub struct MlpActorCritic {
    actor: Mlp,
    critic: Mlp,
}

impl MlpActorCritic {
    /// Networks for the spaces of an environment, drawn from `rng` and placed on `device` (with
    /// [`autodiff`](Device::autodiff) to train them).
    ///
    /// # Errors
    /// [`UnsupportedSpace`] unless observations are a box and actions are discrete.
    pub fn new(
        spec: &EnvSpec,
        hidden_sizes: &[usize],
        activation: Activation,
        rng: &mut EnvRng,
        device: &Device,
    ) -> Result<Self, UnsupportedSpace> {
        let Space::Discrete { n, .. } = spec.action_space else {
            return Err(UnsupportedSpace::action(spec));
        };
        if !matches!(spec.observation_space, Space::Box { .. }) {
            return Err(UnsupportedSpace::observation(spec));
        }
        let mut network = |outputs: usize, gain: f64| {
            let mut sizes = vec![spec.observation_space.flat_len()];
            sizes.extend_from_slice(hidden_sizes);
            sizes.push(outputs);
            Mlp::new(&sizes, activation, gain, rng, device)
        };
        Ok(Self { actor: network(n as usize, POLICY_GAIN), critic: network(1, VALUE_GAIN) })
    }
}

impl ActorCritic for MlpActorCritic {
    type Dist = Categorical;

    fn distribution(&self, observations: Tensor<2>) -> Categorical {
        Categorical::new(self.actor.forward(observations))
    }

    fn value(&self, observations: Tensor<2>) -> Tensor<1> {
        self.critic.forward(observations).squeeze_dim(1)
    }
}
