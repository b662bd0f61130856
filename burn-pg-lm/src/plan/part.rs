//! The parts of a run on texts, and the memory that they take in a phase.

use std::collections::BTreeMap;

use burn_pg::plan::Bytes;
use serde::Serialize;

/// A part of a run that takes memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The tokens of the data.
    Data,
    /// The weights of the model, as they were before the update. With adapters they are frozen, and the reference shares them.
    PolicyWeights,
    /// The weights of adapters, as they were before the update.
    Adapters,
    /// The head of a critic, or the head of a reward model that is trained.
    ValueHead,
    /// The weights of the reference, if it does not share those of the policy.
    Reference,
    /// The weights of reward models that score what is written.
    RewardModel,
    /// Gradients of the trained weights: of each weight, joined into one vector, and added up over micro-batches.
    Gradient,
    /// The state of the optimiser: from before the update, and newer ones.
    OptimiserState,
    /// Trained weights that are newer than those before the update, and the temporary vectors of a step.
    NewWeights,
    /// The copy of the weights that writes texts.
    Writer,
    /// Keys and values of the texts that are being written.
    Cache,
    /// Logits of the whole vocabulary, and what is computed from them.
    Logits,
    /// What the forward pass keeps for the backward pass, and the temporary memory of the passes.
    Activations,
    /// Copies of weights in the order in which kernels read them.
    PackedWeights,
    /// Copies of trained weights and optimiser state, and the bytes of their file.
    Checkpoint,
    /// Copies of weights while the folder of a model is read or written.
    Folder,
}

impl Part {
    /// Returns the name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::PolicyWeights => "policy weights",
            Self::Adapters => "adapters",
            Self::ValueHead => "value head",
            Self::Reference => "reference",
            Self::RewardModel => "reward model",
            Self::Gradient => "gradient",
            Self::OptimiserState => "optimiser state",
            Self::NewWeights => "new weights",
            Self::Writer => "writer",
            Self::Cache => "keys and values",
            Self::Logits => "logits",
            Self::Activations => "activations",
            Self::PackedWeights => "packed weights",
            Self::Checkpoint => "checkpoint",
            Self::Folder => "folder of a model",
        }
    }
}

/// The memory of one phase of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PhasePlan {
    /// Name of the phase.
    pub name: &'static str,
    /// The most memory that each part takes in this phase. Parts that take none are left out.
    pub parts: BTreeMap<Part, Bytes>,
}

impl PhasePlan {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, parts: BTreeMap::new() }
    }

    /// Returns the sum of all parts.
    #[must_use]
    pub fn total(&self) -> Bytes {
        self.parts.values().copied().sum()
    }

    /// Adds memory to a part.
    pub(super) fn with(mut self, part: Part, bytes: Bytes) -> Self {
        if bytes > Bytes(0) {
            let sum = self.parts.entry(part).or_default();
            *sum = *sum + bytes;
        }
        self
    }

    /// Returns the moment of a phase that takes the most memory.
    pub(super) fn largest(moments: impl IntoIterator<Item = Self>) -> Self {
        moments.into_iter().max_by_key(Self::total).expect("a phase has moments")
    }
}
