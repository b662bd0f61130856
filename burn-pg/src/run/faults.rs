//! How a run goes on after a fault.

use burn_pg_envs::{EnvError, Fault};

use crate::{
    Error,
    config::{Faults, OnEnvironment, OnNumbers},
};

/// How to go on after an update that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// As if nothing had been.
    Skip,
    /// With a new stream for an environment.
    Restart { env: usize },
}

impl Remedy {
    /// That for `error`, if the run may go on.
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
