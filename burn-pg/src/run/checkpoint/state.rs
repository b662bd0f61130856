//! The state of a run besides the state of its parts.

use burn_pg_envs::{EnvSpec, wrapper::ObservationNormalizer};
use serde::{Deserialize, Serialize};

/// The schema of the checkpoints that this version writes. Increase it when the content of a checkpoint changes, and
/// either convert the previous schema in [`Checkpoint::from_files`](super::Checkpoint::from_files) or refuse it.
pub(super) const SCHEMA: u32 = 3;

/// The part of a state file that says how to read the rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    pub schema: u32,
    /// Version of the crate that wrote it.
    pub version: String,
}

impl Header {
    /// Returns the header of this version.
    pub fn current() -> Self {
        Self { schema: SCHEMA, version: env!("CARGO_PKG_VERSION").into() }
    }
}

/// The progress of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunState {
    /// Updates started.
    pub update: u64,
    /// Environment steps taken.
    pub env_steps: u64,
    /// Updates skipped after a fault.
    pub faults: u64,
    /// Environment steps that were timed, and their time in seconds.
    pub timed_steps: u64,
    pub timed_seconds: f64,
    /// The normaliser to use with the policy.
    pub normalizer: Option<ObservationNormalizer>,
    /// The environment that the policy acts in, if there is one.
    pub environment: Option<EnvSpec>,
}

/// The content of `state.json`, with an owned or a borrowed run.
#[derive(Serialize, Deserialize)]
pub(super) struct StateFile<R = RunState> {
    #[serde(flatten)]
    pub header: Header,
    pub run: R,
}
