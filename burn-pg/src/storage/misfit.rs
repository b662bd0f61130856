//! The error for saved state that does not fit.

use burn_pg_envs::EnvError;

use super::tensors::TensorsError;
use crate::{loss::ObjectiveError, optim::OptimiserStateError};

/// Why a run cannot be restored from a checkpoint, or cannot be saved.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Misfit {
    /// The weights do not fit the networks, or reading them failed.
    #[error("the checkpoint does not fit the run: {0}")]
    Tensors(TensorsError),
    /// The state belongs to another optimiser.
    #[error("the checkpoint does not fit the run: {0}")]
    Optimiser(OptimiserStateError),
    /// The state belongs to another objective.
    #[error("the checkpoint does not fit the run: {0}")]
    Objective(ObjectiveError),
    /// The checkpoint is of other environments, or the environments do not support saving.
    #[error(transparent)]
    Envs(#[from] EnvError),
    /// The checkpoint has a wrong number of environments, tensors or the like.
    #[error("the checkpoint does not fit the run: it has {found} {what}, but {expected} are needed")]
    Count {
        /// Name of the things that are counted.
        what: &'static str,
        /// The number in the checkpoint.
        found: usize,
        /// The number needed.
        expected: usize,
    },
    /// The saved state of a part is not that of this run, or could not be read back when it was saved.
    #[error("the checkpoint does not fit the run: {reason}")]
    State {
        /// The reason.
        reason: String,
    },
    /// The source does not support saving.
    #[error("the source `{what}` cannot be saved, so its runs have no checkpoints")]
    Unsaved {
        /// Name of the source.
        what: String,
    },
    /// A counter is larger than any run can make it, or differs from that of the source.
    #[error("the checkpoint does not fit the run: it has {value} {what}, which this run cannot have")]
    Counter {
        /// Name of the counter.
        what: &'static str,
        /// Its value.
        value: u64,
    },
}

// Not `#[from]`, which would make these errors sources. Their text is already part of the message.
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
