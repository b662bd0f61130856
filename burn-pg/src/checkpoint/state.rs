//! What a run remembers besides tensors.

use burn_pg_envs::{EnvRng, wrapper::ObservationNormalizer};
use serde::{Deserialize, Serialize};

use crate::{loss::ObjectiveState, rollout::SavedCollector};

/// The schema of the checkpoints that this version writes. Whoever changes what a checkpoint holds counts it up, and either teaches
/// [`Checkpoint::from_files`](super::Checkpoint::from_files) the way from the one before or lets that be refused.
pub(super) const SCHEMA: u32 = 1;

/// What says how to read the rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    pub schema: u32,
    /// Version of the crate that wrote it.
    pub version: String,
}

/// Everything that a run depends on, but for tensors and settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunState {
    /// Updates begun.
    pub update: u64,
    /// Updates given up.
    pub faults: u64,
    /// Environment steps whose time was taken, and that time.
    pub timed_steps: u64,
    pub timed_seconds: f64,
    pub shuffle: EnvRng,
    pub normalizer: Option<ObservationNormalizer>,
    pub optimiser_steps: u64,
    pub objective: ObjectiveState,
    /// That of a trust region; empty if there is none.
    pub trust_region: ObjectiveState,
    pub collector: SavedCollector,
}

/// As it is written.
#[derive(Serialize, Deserialize)]
pub(super) struct StateFile {
    #[serde(flatten)]
    pub header: Header,
    pub run: RunState,
}
