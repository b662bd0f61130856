//! What is learnt from.

use crate::{loss::LossContext, policy::Policy};

/// Rows to learn from: steps, or whole sequences that stay together, on any device. They know their columns; an
/// [`Update`](crate::update::Update) knows only this.
pub trait Samples<P: Policy>: Clone {
    /// Number of rows.
    fn num_rows(&self) -> usize;

    /// Rows that stay together. Default 1.
    fn unit(&self) -> usize {
        1
    }

    /// The units (see [`unit`](Self::unit)) that `order` names, in that order.
    #[must_use]
    fn select(&self, order: &[u32]) -> Self;

    /// The samples in runs of `size` rows, or of the next whole number of units; the last is shorter if they do not
    /// divide the samples.
    ///
    /// # Panics
    /// If `size` is 0.
    fn minibatches(&self, size: usize) -> impl Iterator<Item = Self>;

    /// What sums of losses over them are divided by: the number of samples, tokens or sequences.
    fn mass(&self) -> f64;

    /// The same with advantages that are shifted and scaled to mean 0 and standard deviation 1 over all of them.
    #[must_use]
    fn with_normalized_advantages(self) -> Self;

    /// What loss terms look at, with what `policy` says of the samples now.
    fn context<'a>(&'a self, policy: &P) -> LossContext<'a>;

    /// The environment (or prompt) that a unit comes from, to attribute an error to. Default: unknown.
    fn origin(&self, _unit: usize) -> Option<usize> {
        None
    }
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
