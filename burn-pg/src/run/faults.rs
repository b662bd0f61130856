//! How a run continues after a fault.

use burn_pg_envs::{EnvError, Fault};

use crate::{
    Error,
    config::{Faults, OnEnvironment, OnNumbers},
};

/// How to continue after a failed update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Skip the update.
    Skip,
    /// Skip the update and restart an environment with a new stream of random numbers.
    Restart { env: usize },
}

impl Remedy {
    /// Returns the fix for `error` if the configuration lets the run continue, `None` otherwise.
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
            | Error::NonFinite { .. } => (faults.numbers == OnNumbers::Skip).then_some(Self::Skip),
            _ => None,
        }
    }
}
