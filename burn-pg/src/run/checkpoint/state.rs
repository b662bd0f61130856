//! What a run remembers besides the state of its parts.

use burn_pg_envs::{EnvSpec, wrapper::ObservationNormalizer};
use serde::{Deserialize, Serialize};

/// The schema of the checkpoints that this version writes. Whoever changes what a checkpoint holds counts it up, and either teaches
/// [`Checkpoint::from_files`](super::Checkpoint::from_files) the way from the one before or lets that be refused.
pub(super) const SCHEMA: u32 = 2;

/// What says how to read the rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    pub schema: u32,
    /// Version of the crate that wrote it.
    pub version: String,
}

impl Header {
    /// That of this version.
    pub fn current() -> Self {
        Self { schema: SCHEMA, version: env!("CARGO_PKG_VERSION").into() }
    }
}

/// How far a run has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunState {
    /// Updates begun.
    pub update: u64,
    /// Environment steps taken.
    pub env_steps: u64,
    /// Updates given up.
    pub faults: u64,
    /// Environment steps whose time was taken, and that time.
    pub timed_steps: u64,
    pub timed_seconds: f64,
    /// The one to use with the policy.
    pub normalizer: Option<ObservationNormalizer>,
    /// The one that the policy acts in, if it acts in one.
    pub environment: Option<EnvSpec>,
}

/// As it is written, with a run of its own or a borrowed one.
#[derive(Serialize, Deserialize)]
pub(super) struct StateFile<R = RunState> {
    #[serde(flatten)]
    pub header: Header,
    pub run: R,
}
