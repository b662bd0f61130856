//! Actor and critic networks of perceptrons, recurrent layers and convolutions.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use burn_pg_envs::{EnvRng, EnvSpec};

use super::{
    ActionDistribution, Activation, Cell, CellKind, Encoder, EncoderSpec, Exploration, FlatHead, Head, HostPolicy,
    LogStd, Mlp, Observation, Perceptrons, Policy, Prediction, UnsupportedSpace,
    encoder::{Inputs, PartLayers},
    head::Kind,
    init::Initial,
    mlp::HIDDEN_GAIN,
    perceptrons::{Places, reason},
};
use crate::distribution::AnyDistribution;

/// The gain of the actor's last layer. It is small, so that the initial policy is nearly uniform.
const POLICY_GAIN: f64 = 0.01;
/// The gain of the critic's last layer.
const VALUE_GAIN: f64 = 1.0;

/// The networks of an actor and a critic.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkSpec {
    /// Widths of the hidden layers of actor and critic.
    pub hidden_sizes: Vec<usize>,
    /// The activation after each hidden layer.
    pub activation: Activation,
    /// True if actor and critic share their hidden layers, their recurrent layer and their encoder.
    pub shared: bool,
    /// True if there is a critic.
    pub critic: bool,
    /// The recurrent layer before the hidden layers and its width, if there is one.
    pub recurrence: Option<(CellKind, usize)>,
    /// How continuous actions are explored.
    pub exploration: Exploration,
    /// The encoder of the observations, before all other layers.
    pub encoder: EncoderSpec,
    /// Names of the parts of an observation, which must be a dictionary, that the actor sees; empty for all.
    pub actor_inputs: Vec<String>,
    /// Names of the parts that the critic sees; empty for all. The same as those of the actor if layers are shared.
    pub critic_inputs: Vec<String>,
}

impl NetworkSpec {
    /// Returns why the policy is not made of perceptrons alone, if it is not: what [`Policy::perceptrons`] will say.
    pub(crate) fn beyond_perceptrons(&self) -> Option<&'static str> {
        match self {
            _ if self.recurrence.is_some() => Some(reason::RECURRENT),
            _ if self.encoder != EncoderSpec::default() => Some(reason::ENCODER),
            _ if self.selects_inputs() => Some(reason::INPUTS),
            _ if self.exploration.sde.is_some() => Some(reason::GSDE),
            _ if self.exploration.is_beta() => Some(reason::BETA),
            _ => None,
        }
    }

    /// Returns why the policy is not served by kernels for GPUs, if it is not.
    pub(crate) fn beyond_kernels(&self) -> Option<&'static str> {
        match self {
            _ if self.beyond_perceptrons().is_some() => self.beyond_perceptrons(),
            _ if !self.critic => Some(reason::NO_CRITIC),
            _ => None,
        }
    }
}

impl Default for NetworkSpec {
    /// Separate actor and critic, each with two hidden layers of 64 and tanh; no recurrent layer, no encoder.
    fn default() -> Self {
        Self {
            hidden_sizes: vec![64, 64],
            activation: Activation::Tanh,
            shared: false,
            critic: true,
            recurrence: None,
            exploration: Exploration::default(),
            encoder: EncoderSpec::default(),
            actor_inputs: Vec::new(),
            critic_inputs: Vec::new(),
        }
    }
}

/// An actor for any action space and an optional critic. Both are perceptrons, optionally after convolutions and a
/// recurrent layer.
///
/// ```text
/// observation -> encoder -> recurrent layer -> hidden layers -> actor
///                                                            -> critic
/// ```
#[derive(Module, Debug)]
pub struct ActorCritic {
    /// The encoder of the actor, if there is one; of actor and critic, if they share their layers.
    pub(crate) encoder: Option<Encoder>,
    /// The encoder of the critic, if it has its own.
    pub(crate) critic_encoder: Option<Encoder>,
    /// The recurrent layer of the actor, if there is one; of actor and critic, if they share their layers.
    pub(crate) memory: Option<Cell>,
    /// The recurrent layer of the critic, if it has its own.
    pub(crate) critic_memory: Option<Cell>,
    /// The hidden layers that actor and critic share, if they do.
    pub(crate) trunk: Option<Mlp>,
    pub(crate) actor: Mlp,
    pub(crate) critic: Option<Mlp>,
    pub(crate) head: Head,
}

impl ActorCritic {
    /// Creates networks for the spaces of an environment, with random weights from `rng`, on `device` (with
    /// [`autodiff`](Device::autodiff) to train them).
    ///
    /// # Errors
    /// [`UnsupportedSpace`] if the networks do not fit the observations.
    ///
    /// # Panics
    /// If the exploration is state-dependent in two ways: see [`Head::new`]; if actor and critic share layers, but not the
    /// parts that they see.
    pub fn new(
        spec: &EnvSpec,
        shape: &NetworkSpec,
        rng: &mut EnvRng,
        device: &Device,
    ) -> Result<Self, UnsupportedSpace> {
        Self::with(spec, shape, &mut Initial::Orthogonal(rng), device)
    }

    /// Creates networks with zero weights, for weights to be loaded into them.
    pub(crate) fn blank(spec: &EnvSpec, shape: &NetworkSpec, device: &Device) -> Result<Self, UnsupportedSpace> {
        Self::with(spec, shape, &mut Initial::Zero, device)
    }

    /// True if there is a critic.
    #[must_use]
    pub fn has_critic(&self) -> bool {
        self.critic.is_some()
    }

    /// Returns the keys and values of the settings that change what the networks compute, but not the names or shapes
    /// of their weights.
    pub(crate) fn formulas(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![("network.activation", self.actor.activation.name().to_owned())];
        let continuous = match &self.head.kind {
            Kind::Gaussian { exploration, .. } => Some(*exploration),
            Kind::Beta { .. } => Some(Exploration { distribution: ActionDistribution::Beta, ..Exploration::default() }),
            Kind::Categorical | Kind::MultiCategorical(_) | Kind::Bernoulli => None,
        };
        if let Some(exploration) = continuous {
            settings.push(("network.exploration.distribution", exploration.distribution.name().to_owned()));
            settings.push(("network.exploration.squash", exploration.squash.to_string()));
            // Otherwise `log_std` is only the initial value of weights.
            let offset = if exploration.state_dependent { exploration.log_std } else { 0.0 };
            settings.push(("network.exploration.log_std", offset.to_string()));
        }
        settings.push(("network.actor_inputs", seen(self.encoder.as_ref())));
        let parts = self.encoder.iter().flat_map(|encoder| &encoder.inputs.parts);
        for layer in parts.filter_map(PartLayers::convolutions).flatten() {
            settings.push(("network.layers", layer.to_string()));
        }
        // Last, because only one of two policies may have a critic.
        if self.has_critic() {
            settings.push(("network.critic_inputs", seen(self.critic_encoder.as_ref().or(self.encoder.as_ref()))));
        }
        settings
    }

    /// Returns the places of the parts of an observation that the actor sees; empty for observations without parts.
    pub(crate) fn actor_places(&self) -> &[usize] {
        self.encoder.as_ref().map_or(&[], |encoder| &encoder.inputs.places)
    }

    /// Describes the networks, or says why they are not perceptrons alone.
    fn as_perceptrons(&self) -> Result<Perceptrons, &'static str> {
        if self.memory.is_some() {
            return Err(reason::RECURRENT);
        }
        if let Some(encoder) = &self.encoder {
            let has_images =
                [Some(encoder), self.critic_encoder.as_ref()].into_iter().flatten().any(|of| !of.images.is_empty());
            return Err(if has_images { reason::ENCODER } else { reason::INPUTS });
        }
        if self.head.sde_log_std.is_some() {
            return Err(reason::GSDE);
        }
        let mut places = Places::default();
        self.visit(&mut places);
        let activation = self.actor.activation;
        let place = |network: &Mlp| {
            let place = places.of(network).ok_or("some of the weights are not trained")?;
            if network.activation == activation { Ok(place) } else { Err("the networks mix activations") }
        };
        let head = match &self.head.kind {
            Kind::Categorical => FlatHead::Logits(vec![self.actor.outputs()]),
            Kind::MultiCategorical(sizes) => FlatHead::Logits(sizes.clone()),
            Kind::Bernoulli => FlatHead::Bernoulli,
            Kind::Beta { .. } => return Err(reason::BETA),
            Kind::Gaussian { exploration, .. } => {
                let log_std = match &self.head.log_std {
                    None => LogStd::Outputs { offset: exploration.log_std },
                    Some(log_std) => {
                        let place = places.of_parameter(log_std.id);
                        LogStd::Parameters(place.ok_or("the standard deviations are not trained")?)
                    }
                };
                FlatHead::Gaussian { log_std, squash: exploration.squash }
            }
        };
        Ok(Perceptrons {
            trunk: self.trunk.as_ref().map(place).transpose()?,
            actor: place(&self.actor)?,
            critic: self.critic.as_ref().map(place).transpose()?,
            activation,
            head,
            len: places.len(),
        })
    }

    fn with(
        spec: &EnvSpec,
        shape: &NetworkSpec,
        initial: &mut Initial<'_>,
        device: &Device,
    ) -> Result<Self, UnsupportedSpace> {
        let sees_the_same = shape.actor_inputs == shape.critic_inputs;
        assert!(
            sees_the_same || !(shape.shared && shape.critic),
            "actor and critic share layers, but not what they see"
        );
        let [for_actor, for_critic] = shape.inputs(spec)?;
        let has_own = shape.critic && !shape.shared;
        let mut encoder = |wanted: bool, inputs: &Inputs| {
            let wanted = wanted && (shape.encoder != EncoderSpec::default() || shape.selects_inputs());
            wanted.then(|| Encoder::with(inputs, shape.activation, initial, device))
        };
        let (encoder, critic_encoder) = (encoder(true, &for_actor), encoder(has_own, &for_critic));
        let mut cell = |wanted: bool, inputs: &Inputs| {
            let (kind, size) = shape.recurrence.filter(|_| wanted)?;
            Some(Cell::with(kind, inputs.features(), size, initial, device))
        };
        let (memory, critic_memory) = (cell(true, &for_actor), cell(has_own, &for_critic));
        let hidden = |inputs: &Inputs| {
            let first = shape.recurrence.map_or(inputs.features(), |(_, size)| size);
            [&[first], &shape.hidden_sizes[..]].concat()
        };
        let (hidden, of_critic) = (hidden(&for_actor), hidden(&for_critic));
        let head = Head::new(&spec.action_space, shape.exploration, hidden[hidden.len() - 1], device);
        let mut network = |before: &[usize], outputs: usize, gain: f64| {
            let sizes = [before, &[outputs]].concat();
            Mlp::with(&sizes, shape.activation, gain, initial, device)
        };
        let (trunk, before, before_critic) = match (shape.shared, hidden.split_last()) {
            (true, Some((&last, before))) if !before.is_empty() => {
                (Some(network(before, last, HIDDEN_GAIN)), vec![last], vec![last])
            }
            _ => (None, hidden, of_critic),
        };
        let actor = network(&before, head.inputs(&spec.action_space), POLICY_GAIN);
        let critic = shape.critic.then(|| network(&before_critic, 1, VALUE_GAIN));
        Ok(Self { encoder, critic_encoder, memory, critic_memory, trunk, actor, critic, head })
    }

    /// Returns the inputs of the actor's own layers, and the recurrent state of the actor if there is one.
    fn actor_inputs(&self, observation: &Observation) -> (Tensor<2>, Option<Tensor<2>>) {
        let (inputs, state) = before_perceptrons(self.encoder.as_ref(), self.memory.as_ref(), 0, observation);
        (self.trunk.iter().fold(inputs, |inputs, trunk| trunk.activated(inputs)), state)
    }

    /// As [`actor_inputs`](Self::actor_inputs), for a critic with layers of its own before its perceptron.
    fn critic_inputs(&self, observation: &Observation) -> Option<(Tensor<2>, Option<Tensor<2>>)> {
        let (encoder, memory) = (self.critic_encoder.as_ref(), self.critic_memory.as_ref());
        let start = self.memory.as_ref().map_or(0, Cell::state_len);
        let separate = encoder.is_some() || memory.is_some();
        separate.then(|| before_perceptrons(encoder, memory, start, observation))
    }

    /// Returns the distribution for the [inputs](Self::actor_inputs) of the actor's own layers.
    fn act(&self, inputs: Tensor<2>, observation: &Observation) -> AnyDistribution {
        match self.head.needs_features() {
            false => self.head.distribution(self.actor.forward(inputs), None, observation),
            true => {
                let features = self.actor.features(inputs);
                self.head.distribution(self.actor.output(features.clone()), Some(features), observation)
            }
        }
    }
}

/// Describes the parts of an observation that an encoder sees.
fn seen(encoder: Option<&Encoder>) -> String {
    let places = encoder.map(|encoder| &encoder.inputs.places);
    match places.filter(|places| !places.iter().copied().eq(0..places.len())) {
        None => "the first parts, or all".into(),
        Some(places) => format!("the parts {places:?}, counted from 0"),
    }
}

/// Returns the outputs of an encoder and a recurrent layer, or the observations if there are none, and the new recurrent
/// state. The state before is at column `start` of that of the policy.
fn before_perceptrons(
    encoder: Option<&Encoder>,
    cell: Option<&Cell>,
    start: usize,
    observation: &Observation,
) -> (Tensor<2>, Option<Tensor<2>>) {
    let inputs = encoder.map_or_else(|| observation.vector(), |encoder| encoder.forward(observation));
    let Some(cell) = cell else { return (inputs, None) };
    let sequences = observation.sequences.as_ref().expect("a recurrent policy is given sequences");
    let state = sequences.state.clone().narrow(1, start, cell.state_len());
    let (outputs, state) = cell.forward(inputs, state, &sequences.begins);
    (outputs, Some(state))
}

impl Policy for ActorCritic {
    type Observation = Observation;
    type Dist = AnyDistribution;

    fn forward(&self, observation: Observation) -> Prediction<AnyDistribution> {
        let (for_actor, state) = self.actor_inputs(&observation);
        let (for_critic, of_critic) = self.critic_inputs(&observation).unwrap_or_else(|| (for_actor.clone(), None));
        let states: Vec<Tensor<2>> = state.into_iter().chain(of_critic).collect();
        Prediction {
            distribution: self.act(for_actor, &observation),
            values: self.critic.as_ref().map(|critic| critic.forward(for_critic).squeeze_dim(1)),
            state: (!states.is_empty()).then(|| Tensor::cat(states, 1)),
        }
    }

    /// Runs only the actor.
    fn distribution(&self, observation: Observation) -> AnyDistribution {
        self.act(self.actor_inputs(&observation).0, &observation)
    }

    /// Available on the `flex` backend, in single precision, for perceptrons without an encoder, a recurrent layer or
    /// gSDE noise.
    fn on_host(&self) -> Option<HostPolicy<AnyDistribution>> {
        if self.memory.is_some() || self.encoder.is_some() {
            return None;
        }
        let behind_trunk = |network| self.trunk.iter().chain([network]).collect::<Vec<&Mlp>>();
        let critic = self.critic.as_ref().map(behind_trunk);
        HostPolicy::new(&behind_trunk(&self.actor), critic.as_deref(), &self.head)
    }

    fn perceptrons(&self) -> Result<Perceptrons, &'static str> {
        self.as_perceptrons()
    }

    fn state_len(&self) -> usize {
        [&self.memory, &self.critic_memory].into_iter().flatten().map(Cell::state_len).sum()
    }
}
