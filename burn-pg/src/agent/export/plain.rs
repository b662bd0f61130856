//! An agent as plain data on the host.

use std::borrow::Cow;

use burn::{
    nn::{Linear, PaddingConfig2d, conv::Conv2d},
    tensor::Tensor,
};
use burn_pg_envs::{Space, wrapper::ActionTransform};

use crate::{
    Agent, Error,
    device::readback::read,
    policy::{
        Activation, ActorCritic, Cell, CellKind, Encoder, Head, Kind, Mlp, Observation, Policy,
        encoder::{Inputs, PartLayers},
    },
};

/// An agent as plain data: the observation normaliser, the layers, and the transform of their outputs.
///
/// ```text
/// inputs -> normalizer -> encoder -> memory -> trunk -> policy -> actions
///                      -> value_encoder -> value_memory -> trunk -> value
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PlainPolicy {
    /// Name of the environment.
    pub env: String,
    /// The parts of an observation: one, unless the space is a dictionary.
    pub inputs: Vec<PlainInput>,
    /// The observation normaliser; only if there is a single part.
    pub normalizer: Option<PlainNormalizer>,
    /// The layers.
    pub network: PlainNetwork,
    /// The transform of continuous actions.
    pub transform: Option<ActionTransform>,
    /// True if the environment masks actions.
    pub masked: bool,
}

/// A part of an observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainInput {
    /// Its name in the dictionary, or `observation` if the space is not a dictionary.
    pub name: String,
    /// Its shape: `[D]`, or `[C, H, W]` for an image.
    pub shape: Vec<usize>,
    /// True for an image of integers, which are given as bytes.
    pub bytes: bool,
}

/// The layers of a policy.
///
/// Without a `value_encoder` or a `value_memory`, the critic uses the encoder or the recurrent layer of the actor. The
/// activation is applied after each convolution, each layer of the trunk, and each hidden layer of actor and critic.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlainNetwork {
    /// The activation.
    pub activation: Activation,
    /// The encoder of each part of an observation, of the actor or of both actor and critic; empty if there is none.
    pub encoder: Vec<PlainEncoder>,
    /// The encoders of the critic alone; empty if it has none.
    pub value_encoder: Vec<PlainEncoder>,
    /// The places of the parts of an observation that the actor sees; empty for all.
    pub actor_inputs: Vec<usize>,
    /// The places of the parts that the critic sees; empty for all.
    pub critic_inputs: Vec<usize>,
    /// The recurrent layer of the actor, or of both actor and critic.
    pub memory: Option<PlainCell>,
    /// The recurrent layer of the critic alone.
    pub value_memory: Option<PlainCell>,
    /// The hidden layers that actor and critic share; empty if they share none.
    pub trunk: Vec<Dense>,
    /// The layers of the actor.
    pub policy: Vec<Dense>,
    /// The layers of the critic.
    pub value: Option<Vec<Dense>>,
    /// How outputs of the actor become actions.
    pub actions: PlainActions,
}

/// The encoder of one part of an observation: scaling, convolutions, flattening.
#[derive(Debug, Clone, PartialEq)]
pub struct PlainEncoder {
    /// The factor that scales the part.
    pub scale: f32,
    /// The convolutions; none for a vector.
    pub layers: Vec<PlainConv>,
}

/// A convolution without padding.
#[derive(Debug, Clone, PartialEq)]
pub struct PlainConv {
    /// Row-major, shape `[out, in, kernel, kernel]`.
    pub weight: Vec<f32>,
    /// The shape of the weight.
    pub shape: [usize; 4],
    /// Shape `[out]`.
    pub bias: Vec<f32>,
    /// Stride of the kernel in pixels.
    pub stride: usize,
}

/// A network that can be exported. Implement it for a custom network with [`Dense::new`], [`PlainConv::new`],
/// [`PlainCell::new`] and [`PlainActions::new`], which read the weights.
pub trait Layers: Policy<Observation = Observation> {
    /// Returns the layers. Default: [`Error::NotExported`], for networks with layers that cannot be exported.
    ///
    /// # Errors
    /// [`Error::Execution`] if the device fails while weights are read.
    fn layers(&self) -> Result<PlainNetwork, Error> {
        Err(Error::NotExported)
    }
}

/// `clip((o - mean) / std, -clip, clip)`, in double precision.
#[derive(Debug, Clone, PartialEq)]
pub struct PlainNormalizer {
    /// Shape `[D]`.
    pub mean: Vec<f64>,
    /// Shape `[D]`.
    pub std: Vec<f64>,
    /// The bound of the result.
    pub clip: f64,
    /// Number of observations in the statistics.
    pub count: f64,
}

/// A linear layer, `y = x W + b`.
#[derive(Debug, Clone, PartialEq)]
pub struct Dense {
    /// Row-major, shape `[inputs, outputs]`.
    pub weight: Vec<f32>,
    /// Shape `[outputs]`.
    pub bias: Vec<f32>,
}

/// A recurrent layer; the formulas are those of [`CellKind`].
#[derive(Debug, Clone, PartialEq)]
pub struct PlainCell {
    /// Its kind.
    pub kind: CellKind,
    /// Number of outputs, H.
    pub size: usize,
    /// The layer from inputs to gates.
    pub input: Dense,
    /// The layer from the previous outputs to gates.
    pub hidden: Dense,
}

/// How outputs of the actor become actions.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum PlainActions {
    /// The outputs are logits. The action is the index of the largest logit, the first if several are equal. The
    /// default.
    #[default]
    Discrete,
    /// The outputs are the logits of several components, one after the other.
    MultiDiscrete {
        /// Number of logits of each component.
        sizes: Vec<usize>,
    },
    /// The outputs are logits. A component of the action is true if its logit is positive.
    MultiBinary,
    /// The outputs are means, followed by logarithms of standard deviations if these are outputs.
    Continuous {
        /// Number of means, K.
        len: usize,
        /// True if actions are squashed by a hyperbolic tangent.
        squash: bool,
        /// The standard deviations of exploration.
        deviations: StandardDeviations,
    },
    /// The outputs are those for `alpha`, then those for `beta`, of Beta distributions over 0 to 1: each concentration is
    /// `1 + softplus(output)`. The action is twice the mean minus 1.
    Beta {
        /// Number of components, K.
        len: usize,
    },
}

/// Logarithms of standard deviations.
#[derive(Debug, Clone, PartialEq)]
pub enum StandardDeviations {
    /// Independent of the observation. Shape `[K]`.
    Fixed(Vec<f32>),
    /// The second half of the outputs plus an offset, clipped to [-20, 2](crate::policy::Exploration::state_dependent).
    Outputs {
        /// The offset.
        offset: f64,
    },
    /// gSDE noise: one for each feature and action. Row-major, shape `[F, K]`.
    Gsde(Vec<f32>),
}

impl Dense {
    /// Reads the weights of a linear layer with a bias.
    ///
    /// # Errors
    /// [`Error::Execution`] if the device fails while the weights are read.
    ///
    /// # Panics
    /// If the layer has no bias.
    pub fn new(layer: &Linear) -> Result<Self, Error> {
        let bias = layer.bias.as_ref().expect("every layer has a bias");
        let [weight, bias] = read([layer.weight.val().flatten(0, 1), bias.val()])?;
        Ok(Self { weight, bias })
    }

    /// Returns the number of inputs.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.weight.len() / self.bias.len()
    }

    /// Returns the number of outputs.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Returns the weights in PyTorch's layout. Row-major, shape `[outputs, inputs]`.
    #[must_use]
    pub fn transposed(&self) -> Vec<f32> {
        let column = |output: usize| self.weight.iter().skip(output).step_by(self.outputs());
        (0..self.outputs()).flat_map(column).copied().collect()
    }
}

impl PlainCell {
    /// Reads the weights of a recurrent layer.
    ///
    /// # Errors
    /// [`Error::Execution`] if the device fails while the weights are read.
    pub fn new(cell: &Cell) -> Result<Self, Error> {
        let (input, hidden) = (Dense::new(&cell.input)?, Dense::new(&cell.hidden)?);
        Ok(Self { kind: cell.kind, size: cell.size, input, hidden })
    }

    /// Returns the length of the recurrent state.
    #[must_use]
    pub fn state_len(&self) -> usize {
        match self.kind {
            CellKind::Gru => self.size,
            CellKind::Lstm => 2 * self.size,
        }
    }
}

impl PlainPolicy {
    /// Reads the data of an agent.
    ///
    /// # Errors
    /// [`Error::Execution`] if the device fails while the weights are read.
    pub fn new<P: Layers>(agent: &Agent<P>) -> Result<Self, Error> {
        let mut network = agent.policy.layers()?;
        let input = |name: &str, space: &Space| PlainInput {
            name: name.to_owned(),
            // Without an encoder, each box is one vector.
            shape: if network.convolves() { space.shape() } else { vec![space.flat_len()] },
            bytes: matches!(space, Space::Image { .. }),
        };
        let inputs = match &agent.spec.observation_space {
            Space::Dict { parts } => parts.iter().map(|part| input(&part.name, &part.space)).collect(),
            space => vec![input("observation", space)],
        };
        for places in [&mut network.actor_inputs, &mut network.critic_inputs] {
            if places.len() == inputs.len() {
                places.clear();
            }
        }
        Ok(Self {
            env: agent.spec.id.clone(),
            inputs,
            normalizer: agent.normalizer.as_ref().map(|normalizer| PlainNormalizer {
                mean: normalizer.moments.mean.clone(),
                std: normalizer.std(),
                clip: normalizer.clip,
                count: normalizer.moments.count,
            }),
            network,
            transform: agent.transform.clone(),
            masked: agent.spec.masks_actions,
        })
    }
}

impl PlainNetwork {
    /// True if there are convolutions.
    pub(super) fn convolves(&self) -> bool {
        self.encoder.iter().chain(&self.value_encoder).any(|encoder| !encoder.layers.is_empty())
    }

    /// True if the critic sees parts of an observation that the actor does not see.
    pub(super) fn critic_sees_more(&self) -> bool {
        !self.actor_inputs.is_empty()
            && (self.critic_inputs.is_empty()
                || self.critic_inputs.iter().any(|place| !self.actor_inputs.contains(place)))
    }

    /// Returns the network without a critic that sees parts of an observation which the actor does not see.
    pub(super) fn without_privileged_critic(&self) -> Cow<'_, Self> {
        if !self.critic_sees_more() {
            return Cow::Borrowed(self);
        }
        let actor = Self { value_encoder: Vec::new(), value_memory: None, value: None, ..self.clone() };
        Cow::Owned(actor)
    }

    /// Returns the length of the recurrent state, M. The state of the actor comes first, then the state of the critic.
    #[must_use]
    pub fn state_len(&self) -> usize {
        [&self.memory, &self.value_memory].into_iter().flatten().map(PlainCell::state_len).sum()
    }
}

impl Layers for ActorCritic {
    fn layers(&self) -> Result<PlainNetwork, Error> {
        let layers = |network: &Mlp| network.layers.iter().map(Dense::new).collect::<Result<Vec<_>, _>>();
        let cell = |cell: &Option<Cell>| cell.as_ref().map(PlainCell::new).transpose();
        let encoder = |encoder: &Option<Encoder>| encoder.as_ref().map_or(Ok(Vec::new()), PlainEncoder::all);
        let places = |encoder: Option<&Encoder>| encoder.map_or(Vec::new(), |encoder| encoder.inputs.places.clone());
        Ok(PlainNetwork {
            actor_inputs: places(self.encoder.as_ref()),
            critic_inputs: places(self.critic_encoder.as_ref().or(self.encoder.as_ref())),
            activation: self.actor.activation,
            encoder: encoder(&self.encoder)?,
            value_encoder: encoder(&self.critic_encoder)?,
            memory: cell(&self.memory)?,
            value_memory: cell(&self.critic_memory)?,
            trunk: self.trunk.as_ref().map(layers).transpose()?.unwrap_or_default(),
            policy: layers(&self.actor)?,
            value: self.critic.as_ref().map(layers).transpose()?,
            actions: PlainActions::new(&self.head)?,
        })
    }
}

impl PlainEncoder {
    /// Returns the encoders of all parts up to the last that is seen.
    fn all(encoder: &Encoder) -> Result<Vec<Self>, Error> {
        let mut images = encoder.images.iter();
        let Inputs { places, parts } = &encoder.inputs;
        let mut part = |part: &PartLayers| match part {
            PartLayers::Vector { .. } => Ok::<Self, Error>(Self { scale: 1.0, layers: Vec::new() }),
            PartLayers::Image { scale, .. } => {
                let image = images.next().expect("convolutions for each image");
                let layers = image.layers.iter().map(PlainConv::new).collect::<Result<_, Error>>()?;
                #[allow(clippy::cast_possible_truncation)] // networks use single precision
                Ok(Self { scale: *scale as f32, layers })
            }
        };
        let none = || Self { scale: 1.0, layers: Vec::new() };
        let mut all: Vec<Self> = places.iter().max().map_or(Vec::new(), |&last| (0..=last).map(|_| none()).collect());
        for (&place, layers) in places.iter().zip(parts) {
            all[place] = part(layers)?;
        }
        Ok(all)
    }
}

impl PlainConv {
    /// Reads the weights of a convolution with a bias, without padding, dilation and groups, and with the same stride
    /// in both directions.
    ///
    /// # Errors
    /// [`Error::Execution`] if the device fails while the weights are read.
    ///
    /// # Panics
    /// If the convolution is not of this kind.
    pub fn new(layer: &Conv2d) -> Result<Self, Error> {
        let Conv2d { stride, dilation, groups, padding, .. } = layer;
        let plain = stride[0] == stride[1] && *dilation == [1, 1] && *groups == 1 && *padding == PaddingConfig2d::Valid;
        assert!(plain, "a convolution without padding, dilation and groups, and with one stride");
        let (weight, bias) = (layer.weight.val(), layer.bias.as_ref().expect("every layer has a bias").val());
        let shape = weight.dims();
        let [weight, bias] = read([weight.flatten(0, 3), bias])?;
        Ok(Self { weight, shape, bias, stride: layer.stride[0] })
    }
}

impl PlainActions {
    /// Reads how a head turns outputs of the actor into actions.
    ///
    /// # Errors
    /// [`Error::Execution`] if the device fails while its parameters are read.
    pub fn new(head: &Head) -> Result<Self, Error> {
        Ok(match &head.kind {
            Kind::Categorical => Self::Discrete,
            Kind::MultiCategorical(sizes) => Self::MultiDiscrete { sizes: sizes.clone() },
            Kind::Bernoulli => Self::MultiBinary,
            Kind::Beta { len } => Self::Beta { len: *len },
            Kind::Gaussian { len, exploration } => {
                let values = |tensor: Tensor<1>| read([tensor]).map(|[values]| values);
                let deviations = match (&head.sde_log_std, &head.log_std) {
                    (Some(log_std), _) => StandardDeviations::Gsde(values(log_std.val().flatten(0, 1))?),
                    (None, Some(log_std)) => StandardDeviations::Fixed(values(log_std.val())?),
                    (None, None) => StandardDeviations::Outputs { offset: exploration.log_std },
                };
                Self::Continuous { len: *len, squash: exploration.squash, deviations }
            }
        })
    }
}
