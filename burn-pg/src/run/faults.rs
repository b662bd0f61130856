//! How a run continues after a fault.

use burn_pg_envs::{EnvError, Fault};

use crate::{
    Error,
    config::{Faults, OnEnvironment, OnNumbers},
};

/// How to continue after a failed update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recovery {
    /// Skip the update.
    Skip,
    /// Skip the update and restart an environment with a new stream of random numbers.
    Restart { env: usize },
}

impl Recovery {
    /// Returns how to continue after `error`; `None` if the configuration does not let the run continue.
    pub fn of(error: &Error, faults: &Faults) -> Option<Self> {
        match error {
            Error::EnvInUpdate {
                source: EnvError::Failed { env, fault: Fault::Panic { .. } | Fault::Reported { .. }, .. },
                ..
            } => (faults.environment == OnEnvironment::Restart).then_some(Self::Restart { env: *env }),
            Error::EnvInUpdate { source: EnvError::Failed { .. }, .. }
            | Error::Observation { .. }
            | Error::ImageValue { .. }
            | Error::Reward { .. }
            | Error::Step { .. }
            | Error::Policy { .. }
            | Error::Unscored { .. }
            | Error::NonFinite { .. } => (faults.numbers == OnNumbers::Skip).then_some(Self::Skip),
            Error::OtherRank { goes_on: true, .. } => Some(Self::Skip),
            _ => None,
        }
    }
}
