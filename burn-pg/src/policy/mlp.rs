//! Multi-layer perceptrons.

use burn::{
    module::Module,
    nn::Linear,
    tensor::{Device, Tensor},
};
use burn_pg_envs::EnvRng;

use super::{
    Activation,
    init::{Initial, linear},
};
use crate::kernel::{host::Network, on_host, perceptron};

/// The gain of hidden layers.
pub(super) const HIDDEN_GAIN: f64 = std::f64::consts::SQRT_2;

/// A multi-layer perceptron: hidden layers with an activation, and a linear last layer.
#[derive(Module, Debug)]
pub struct Mlp {
    pub(crate) layers: Vec<Linear>,
    #[module(skip)]
    pub(crate) activation: Activation,
}

impl Mlp {
    /// Creates a network with `sizes[0]` inputs, hidden layers of the sizes in between, and `sizes.last()` outputs.
    /// Weights are orthogonal with gain sqrt 2 (`last_gain` in the last layer), biases 0.
    ///
    /// # Panics
    /// If there are fewer than two sizes, or one of them is 0.
    #[must_use]
    pub fn new(sizes: &[usize], activation: Activation, last_gain: f64, rng: &mut EnvRng, device: &Device) -> Self {
        Self::with(sizes, activation, last_gain, &mut Initial::Orthogonal(rng), device)
    }

    pub(super) fn with(
        sizes: &[usize],
        activation: Activation,
        last_gain: f64,
        initial: &mut Initial<'_>,
        device: &Device,
    ) -> Self {
        assert!(sizes.iter().all(|&size| size > 0), "every layer has a size above 0: {sizes:?}");
        let last = sizes.len().checked_sub(2).expect("at least an input and an output size");
        let layers = sizes.windows(2).enumerate().map(|(i, size)| {
            let gain = if i == last { last_gain } else { HIDDEN_GAIN };
            linear(size[0], &size[1..], gain, vec![0.0; size[1]], initial, device)
        });
        Self { layers: layers.collect(), activation }
    }

    /// All layers, including the last.
    #[must_use]
    pub fn layers(&self) -> &[Linear] {
        &self.layers
    }

    /// Number of outputs of the last layer.
    pub(super) fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.weight.dims()[1])
    }

    /// The device of the weights.
    pub(crate) fn device(&self) -> Device {
        self.layers[0].weight.val().device()
    }

    /// Returns the outputs, of shape `[B, sizes.last()]`, for inputs of shape `[B, sizes[0]]`.
    #[must_use]
    pub fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        perceptron(input, &self.layers, self.activation, false)
    }

    /// As [`forward`](Self::forward), but also applies the activation to the last layer.
    #[must_use]
    pub fn activated(&self, input: Tensor<2>) -> Tensor<2> {
        perceptron(input, &self.layers, self.activation, true)
    }

    /// Returns the outputs of the last hidden layer, or the inputs if there is no hidden layer.
    #[must_use]
    pub fn features(&self, input: Tensor<2>) -> Tensor<2> {
        match &self.layers[..self.layers.len() - 1] {
            [] => input,
            hidden => perceptron(input, hidden, self.activation, true),
        }
    }

    /// Applies the linear last layer to features.
    #[must_use]
    pub fn output(&self, features: Tensor<2>) -> Tensor<2> {
        self.layers.last().expect("a network has a layer").forward(features)
    }
}

/// Copies a chain of networks to the host as one network, with an activation between any two layers. Returns `None` if
/// their parameters are not on the host, or their activations differ.
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
