//! Settings of the networks.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use toml::{Table, Value};

use super::{ConfigError, CustomNetwork, Recurrence, shape::either};
use crate::policy::{Activation, EncoderSpec, Exploration};

/// The networks of actor and critic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, remote = "Self")]
#[schemars(extend("open" = true))]
pub struct NetworkConfig {
    /// The encoder of the observations: `kind` is `mlp` for vectors and `cnn` for images.
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
    /// Parts of the observation that the actor sees: names of parts of a dictionary. Default empty: all.
    pub actor_inputs: Vec<String>,
    /// Parts of the observation that the critic sees, such as those that only a simulator knows; the same as those of the
    /// actor with `shared_layers`. Default empty: all.
    pub critic_inputs: Vec<String>,
    /// A network of the program, in place of all above: `kind` is then its name, and the table has its own settings.
    #[serde(skip)]
    pub custom: Option<CustomNetwork>,
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
            actor_inputs: Vec::new(),
            critic_inputs: Vec::new(),
            custom: None,
        }
    }
}

impl NetworkConfig {
    /// The name of the kind: `mlp`, `cnn`, or that of a network of the program.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.custom.as_ref().map_or_else(|| self.encoder.kind(), |custom| &custom.kind)
    }

    /// Returns the error for a kind that is not among `known`.
    #[must_use]
    pub fn unknown_kind<'a>(&self, known: impl IntoIterator<Item = &'a str>) -> ConfigError {
        let known: Vec<_> = known.into_iter().map(|name| format!("\"{name}\"")).collect();
        let (key, value) = ("network.kind".into(), format!("\"{}\"", self.kind()));
        ConfigError::Value { key, value, expected: either(&known) }
    }
}

impl Serialize for NetworkConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.custom {
            None => Self::serialize(self, serializer),
            Some(custom) => custom.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for NetworkConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let settings = Table::deserialize(deserializer)?;
        let custom = CustomNetwork::of_table(&settings);
        match custom {
            Some(_) => Ok(Self { custom, ..Self::default() }),
            None => Self::deserialize(Value::Table(settings)).map_err(D::Error::custom),
        }
    }
}
