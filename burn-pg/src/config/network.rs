//! Settings of the networks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Recurrence;
use crate::policy::{Activation, EncoderSpec, Exploration};

/// The networks of actor and critic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NetworkConfig {
    /// What comes first: `kind` is `mlp` for vectors, and `cnn` for images.
    #[serde(flatten)]
    pub encoder: EncoderSpec,
    /// Widths of the hidden layers of actor and critic, each 1 to 4,096, at most 64 of them. Default `[64, 64]`.
    pub hidden_sizes: Vec<usize>,
    /// Activation after each hidden layer and each convolution: `tanh`, `relu` or `silu`. Default `tanh`.
    pub activation: Activation,
    /// Share the layers before the outputs (convolutions, recurrent layer, hidden layers) between actor and critic.
    /// Default false. (Not for `trpo`.)
    pub shared_layers: bool,
    /// Recurrent layers before the hidden layers, and how they are trained.
    pub recurrence: Recurrence,
    /// How continuous actions are explored. Default: a Gaussian with standard deviation 1, whose actions are clipped to
    /// the bounds.
    pub exploration: Exploration,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            encoder: EncoderSpec::default(),
            hidden_sizes: vec![64, 64],
            activation: Activation::Tanh,
            shared_layers: false,
            recurrence: Recurrence::default(),
            exploration: Exploration::default(),
        }
    }
}
