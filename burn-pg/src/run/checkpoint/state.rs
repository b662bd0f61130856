//! What a run remembers besides tensors.

use std::io;

use burn_pg_envs::{EnvRng, wrapper::ObservationNormalizer};
use serde::{Deserialize, Serialize};

use crate::{loss::ObjectiveState, source::SavedCollector};

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

/// As it is written, with a run of its own or a borrowed one.
#[derive(Serialize, Deserialize)]
pub(super) struct StateFile<R = RunState> {
    #[serde(flatten)]
    pub header: Header,
    pub run: R,
}

/// A run as text, in memory that is just large enough: that of many environments is longer than all of their tensors.
pub(super) fn to_text(run: &RunState) -> serde_json::Result<Vec<u8>> {
    let file = StateFile { header: Header { schema: SCHEMA, version: env!("CARGO_PKG_VERSION").into() }, run };
    let mut length = Length(0);
    serde_json::to_writer(&mut length, &file)?;
    let mut text = Vec::with_capacity(length.0);
    serde_json::to_writer(&mut text, &file)?;
    Ok(text)
}

/// Counts what is written, and keeps nothing.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
