//! The parts of a run, and the memory that they take in a phase.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::storage::Bytes;

/// A part of a run that takes memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The weights; during a step, also the new weights.
    Parameters,
    /// Gradients of the weights: flat, and in kernels one copy per task.
    Gradients,
    /// The state of the optimiser; during a step, also the new state.
    OptimiserState,
    /// Weights and optimiser state from before the update, the policy's copy that acts on the host, and the reference.
    Snapshots,
    /// Environments with their streams of random numbers, and the results of a step.
    Environments,
    /// The rollout buffer.
    Rollout,
    /// The records of blocks of environments before they are joined.
    BlockRecords,
    /// Advantages and returns, in double precision.
    Targets,
    /// The rollout on the device.
    Batch,
    /// The batch, shuffled for an epoch.
    ShuffledBatch,
    /// Memory that the forward pass of a minibatch (or a micro-batch) keeps for the backward pass, and the temporary
    /// memory of both passes. On the `flex` backend, threads keep most of this memory for the next minibatch.
    Activations,
    /// Metrics of all steps of an update.
    Metrics,
    /// The environments of an evaluation, and the memory for acting in them.
    Evaluation,
    /// Everything else.
    Rest,
}

impl Part {
    /// Returns the name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Parameters => "parameters",
            Self::Gradients => "gradients",
            Self::OptimiserState => "optimiser state",
            Self::Snapshots => "snapshots",
            Self::Environments => "environments",
            Self::Rollout => "rollout buffer",
            Self::BlockRecords => "records of blocks",
            Self::Targets => "targets",
            Self::Batch => "batch",
            Self::ShuffledBatch => "shuffled batch",
            Self::Activations => "activations",
            Self::Metrics => "metrics",
            Self::Evaluation => "evaluation",
            Self::Rest => "rest",
        }
    }

    /// True if the part is in the memory of the device, for devices with memory of their own.
    #[must_use]
    pub fn is_on_device(self) -> bool {
        let on_host =
            [Self::Environments, Self::Rollout, Self::BlockRecords, Self::Targets, Self::Evaluation, Self::Rest];
        !on_host.contains(&self)
    }
}

/// The memory of one phase of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PhasePlan {
    /// Name of the phase.
    pub name: &'static str,
    /// The most memory that each part takes in this phase.
    pub parts: BTreeMap<Part, Bytes>,
}

impl PhasePlan {
    /// Returns the sum of all parts.
    #[must_use]
    pub fn total(&self) -> Bytes {
        self.parts.values().copied().sum()
    }

    pub(super) fn add(&mut self, part: Part, bytes: Bytes) {
        let sum: &mut Bytes = self.parts.entry(part).or_default();
        *sum = *sum + bytes;
    }
}
