//! Why saved state is refused.

use burn_pg_envs::EnvError;

use super::tensors::TensorsError;
use crate::{loss::ObjectiveError, optim::OptimiserStateError};

/// Why a run cannot go on from a checkpoint: it is one of another run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Misfit {
    /// Its weights are those of other networks.
    #[error("the checkpoint does not fit the run: {0}")]
    Tensors(TensorsError),
    /// The state of the optimiser is that of another.
    #[error("the checkpoint does not fit the run: {0}")]
    Optimiser(OptimiserStateError),
    /// The state of the objective is that of another.
    #[error("the checkpoint does not fit the run: {0}")]
    Objective(ObjectiveError),
    /// Its environments are others; or, when it is made, they cannot be saved.
    #[error(transparent)]
    Envs(#[from] EnvError),
    /// It has too few or too many of something.
    #[error("the checkpoint does not fit the run: it has {found} {what}, but {expected} are needed")]
    Count {
        /// Of what.
        what: &'static str,
        /// How many it has.
        found: usize,
        /// How many are needed.
        expected: usize,
    },
    /// The text of a part of it cannot be read as the state of this run.
    #[error("the checkpoint does not fit the run: {reason}")]
    State {
        /// What is wrong.
        reason: String,
    },
    /// A source has no state to save, or to go on from.
    #[error("`{what}` cannot be saved, so its runs have no checkpoints")]
    Unsaved {
        /// What it is called.
        what: String,
    },
    /// A counter is larger than any run can make it.
    #[error("the checkpoint does not fit the run: it has {value} {what}")]
    Counter {
        /// Of what.
        what: &'static str,
        /// How many.
        value: u64,
    },
}

// Not as sources: their messages are a part of ours.
impl From<TensorsError> for Misfit {
    fn from(error: TensorsError) -> Self {
        Self::Tensors(error)
    }
}

impl From<OptimiserStateError> for Misfit {
    fn from(error: OptimiserStateError) -> Self {
        Self::Optimiser(error)
    }
}

impl From<ObjectiveError> for Misfit {
    fn from(error: ObjectiveError) -> Self {
        Self::Objective(error)
    }
}
