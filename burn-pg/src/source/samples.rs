//! The samples that a policy learns from.

use burn::tensor::{Bool, Tensor};

use crate::{
    distribution::ActionTensor,
    loss::{ContextPart, LossContext},
    policy::Policy,
    ranks::Ranks,
};

/// Rows to learn from: single steps, or sequences whose steps stay together, on any device. An
/// [`Update`](crate::update::Update) uses samples through this trait only; their columns are up to the implementation.
pub trait Samples<P: Policy>: Clone + Send {
    /// Number of rows.
    fn num_rows(&self) -> usize;

    /// Number of rows that stay together, for example the steps of a sequence. Default 1.
    fn unit(&self) -> usize {
        1
    }

    /// Returns the units (see [`unit`](Self::unit)) with the indices `order`, in that order.
    #[must_use]
    fn select(&self, order: &[u32]) -> Self;

    /// Cuts the samples into minibatches of `size` rows, rounded up to whole units. The last minibatch is shorter if
    /// that size does not divide the number of rows.
    ///
    /// # Panics
    /// If `size` is 0.
    fn minibatches(&self, size: usize) -> impl Iterator<Item = Self>;

    /// The divisor that turns a sum of losses into a mean: the number of samples, tokens or sequences.
    fn mass(&self) -> f64;

    /// True if a part that the source announced in its [check](super::Source::check) is missing. Default false.
    fn lacks(&self, _part: ContextPart) -> bool {
        false
    }

    /// Shifts and scales the advantages to mean 0 and standard deviation 1 over all samples of all ranks.
    #[must_use]
    fn with_advantages_normalized_over(self, ranks: &Ranks) -> Self;

    /// Shifts and scales the advantages to mean 0 and standard deviation 1 over all samples.
    #[must_use]
    fn with_normalized_advantages(self) -> Self {
        self.with_advantages_normalized_over(&Ranks::default())
    }

    /// Returns what loss terms need, computed with `policy`.
    fn context<'a>(&'a self, policy: &P) -> LossContext<'a>;

    /// Returns the samples as rows that do not depend on each other, if they are vectors; see [`FlatSamples`]. Default:
    /// `None`.
    fn flat(&self) -> Option<FlatSamples> {
        None
    }

    /// The number N of environments if unit i comes from environment `i % N`. Default: `None`.
    fn in_turn(&self) -> Option<usize> {
        None
    }

    /// The environment (or prompt) that a unit comes from, so that an error can be attributed to it. Default: unknown.
    fn origin(&self, _unit: usize) -> Option<usize> {
        None
    }
}

/// B samples that do not depend on each other: vectors of observations, actions, and numbers for each. Updates are
/// faster with them; see [`Unfused`](crate::update::Unfused).
pub struct FlatSamples {
    /// Observations. Shape `[B, D]`.
    pub observations: Tensor<2>,
    /// True for actions that are possible. Shape `[B, M]`. `None` if all are.
    pub action_mask: Option<Tensor<2, Bool>>,
    /// Actions taken.
    pub actions: ActionTensor,
    /// The parts that do not depend on the policy, and the [mass](Samples::mass) of all samples. Each sample has the same
    /// share of it.
    pub columns: LossContext<'static>,
}

/// The environments that samples come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Origins {
    /// The samples are not in the order in which they were collected.
    #[default]
    Unknown,
    /// Unit i comes from environment `i % N`.
    InTurn(usize),
    /// Unit i comes from environment `envs[i]`.
    Listed(Vec<u32>),
}

impl Origins {
    /// The environment of a unit.
    #[must_use]
    pub fn of(&self, unit: usize) -> Option<usize> {
        match self {
            Self::Unknown => None,
            Self::InTurn(num_envs) => Some(unit % num_envs),
            Self::Listed(envs) => envs.get(unit).map(|&env| env as usize),
        }
    }
}
