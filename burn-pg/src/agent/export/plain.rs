//! An agent as plain numbers on the host.

use burn::{nn::Linear, tensor::Tensor};
use burn_pg_envs::wrapper::{ActionTransform, ObservationNormalizer};

use crate::{
    Agent, Error,
    device::readback::read,
    policy::{Activation, Cell, CellKind, Kind, Mlp},
};

/// An agent as plain numbers: what it does to observations, its layers, and what it does to their outputs.
///
/// ```text
/// observation -> normalizer -> memory -> trunk -> policy -> actions
///                           -> value_memory -> trunk -> value
/// ```
///
/// Parts that are not there are left out; without a `value_memory` the critic looks at the `memory`. The activation stands
/// between any two layers, and behind the last one of the trunk.
#[derive(Debug, Clone, PartialEq)]
pub struct PlainPolicy {
    /// Name of the environment.
    pub env: String,
    /// Numbers of an observation, D.
    pub observation_len: usize,
    /// What observations are normalised with.
    pub normalizer: Option<PlainNormalizer>,
    /// What stands between any two layers.
    pub activation: Activation,
    /// The recurrent layer of the actor, or of both.
    pub memory: Option<PlainCell>,
    /// The recurrent layer of the critic alone.
    pub value_memory: Option<PlainCell>,
    /// The hidden layers of both; empty if they share none.
    pub trunk: Vec<Dense>,
    /// The layers of the actor.
    pub policy: Vec<Dense>,
    /// The layers of the critic.
    pub value: Option<Vec<Dense>>,
    /// What becomes of the outputs of the actor.
    pub actions: PlainActions,
    /// Does the environment say which actions are possible?
    pub masked: bool,
}

/// `clip((o - mean) / std, -clip, clip)`, in double precision.
#[derive(Debug, Clone, PartialEq)]
pub struct PlainNormalizer {
    /// Shape `[D]`.
    pub mean: Vec<f64>,
    /// Shape `[D]`.
    pub std: Vec<f64>,
    /// Bound of what comes out.
    pub clip: f64,
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
    /// Its outputs, H.
    pub size: usize,
    /// From inputs to gates.
    pub input: Dense,
    /// From the last outputs to gates.
    pub hidden: Dense,
}

/// How outputs of the actor become actions.
#[derive(Debug, Clone, PartialEq)]
pub enum PlainActions {
    /// They are logits, of which the largest is taken; the first of several.
    Discrete,
    /// They are logits of several components one after the other.
    MultiDiscrete {
        /// Logits of each.
        sizes: Vec<usize>,
    },
    /// They are logits of components that are true where those are positive.
    MultiBinary,
    /// They are means (and after these, perhaps, deviations).
    Continuous {
        /// Means, K.
        len: usize,
        /// Are they taken through a hyperbolic tangent first?
        squash: bool,
        /// What is done to them then.
        transform: ActionTransform,
        /// How actions deviate from the means while they are explored.
        deviations: Deviations,
    },
}

/// Logarithms of standard deviations.
#[derive(Debug, Clone, PartialEq)]
pub enum Deviations {
    /// Always the same. Shape `[K]`.
    Fixed(Vec<f32>),
    /// The other half of the outputs, plus an offset, clipped to
    /// [-20, 2](crate::policy::Exploration::state_dependent).
    Outputs {
        /// The offset.
        offset: f64,
    },
    /// Those of noise that is held, for each feature and action. Row-major, shape `[F, K]`.
    HeldNoise(Vec<f32>),
}

impl Dense {
    fn new(layer: &Linear) -> Result<Self, Error> {
        let bias = layer.bias.as_ref().expect("every layer has a bias");
        let [weight, bias] = read([layer.weight.val().flatten(0, 1), bias.val()])?;
        Ok(Self { weight, bias })
    }

    /// Numbers that it takes.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.weight.len() / self.bias.len()
    }

    /// Numbers that it gives.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// The weights as PyTorch has them. Row-major, shape `[outputs, inputs]`.
    #[must_use]
    pub fn transposed(&self) -> Vec<f32> {
        let column = |output: usize| self.weight.iter().skip(output).step_by(self.outputs());
        (0..self.outputs()).flat_map(column).copied().collect()
    }
}

impl PlainCell {
    fn new(cell: &Cell) -> Result<Self, Error> {
        let (input, hidden) = (Dense::new(&cell.input)?, Dense::new(&cell.hidden)?);
        Ok(Self { kind: cell.kind, size: cell.size, input, hidden })
    }

    /// Numbers that it remembers.
    #[must_use]
    pub fn memory_len(&self) -> usize {
        match self.kind {
            CellKind::Gru => self.size,
            CellKind::Lstm => 2 * self.size,
        }
    }
}

impl PlainNormalizer {
    fn new(normalizer: &ObservationNormalizer) -> Self {
        let ObservationNormalizer { moments, clip } = normalizer;
        Self { mean: moments.mean.clone(), std: normalizer.std(), clip: *clip }
    }
}

impl PlainPolicy {
    /// The numbers of an agent.
    ///
    /// # Errors
    /// [`Error::Execution`] if the device fails while they are read.
    pub fn new(agent: &Agent) -> Result<Self, Error> {
        let policy = &agent.policy;
        let layers = |network: &Mlp| network.layers.iter().map(Dense::new).collect::<Result<Vec<_>, _>>();
        let cell = |cell: &Option<Cell>| cell.as_ref().map(PlainCell::new).transpose();
        Ok(Self {
            env: agent.spec.id.clone(),
            observation_len: agent.spec.observation_space.flat_len(),
            normalizer: agent.normalizer.as_ref().map(PlainNormalizer::new),
            activation: policy.actor.activation,
            memory: cell(&policy.memory)?,
            value_memory: cell(&policy.critic_memory)?,
            trunk: policy.trunk.as_ref().map(layers).transpose()?.unwrap_or_default(),
            policy: layers(&policy.actor)?,
            value: policy.critic.as_ref().map(layers).transpose()?,
            actions: PlainActions::new(agent)?,
            masked: agent.masked,
        })
    }

    /// Numbers that are remembered from one step to the next, M: those of the actor, then those of the critic.
    #[must_use]
    pub fn memory_len(&self) -> usize {
        [&self.memory, &self.value_memory].into_iter().flatten().map(PlainCell::memory_len).sum()
    }
}

impl PlainActions {
    fn new(agent: &Agent) -> Result<Self, Error> {
        let head = &agent.policy.head;
        Ok(match (&head.kind, &agent.transform) {
            (Kind::Categorical, _) => Self::Discrete,
            (Kind::MultiCategorical(sizes), _) => Self::MultiDiscrete { sizes: sizes.clone() },
            (Kind::Bernoulli, _) => Self::MultiBinary,
            (Kind::Gaussian { len, exploration }, transform) => {
                let values = |tensor: Tensor<1>| read([tensor]).map(|[values]| values);
                let deviations = match (&head.sde_log_std, &head.log_std) {
                    (Some(log_std), _) => Deviations::HeldNoise(values(log_std.val().flatten(0, 1))?),
                    (None, Some(log_std)) => Deviations::Fixed(values(log_std.val())?),
                    (None, None) => Deviations::Outputs { offset: exploration.log_std },
                };
                let transform = transform.clone().expect("continuous actions are transformed");
                Self::Continuous { len: *len, squash: exploration.squash, transform, deviations }
            }
        })
    }
}
