//! Memory plans of runs on texts: how much memory a run will take, computed from settings and shapes before any weights are loaded.
//!
//! The plan is for the `flex` backend in single precision. It follows the loop of [`burn_pg::Trainer`] with the sources and kernels of this crate.
//! The peak of a run is the total of its largest phase. The tokens of texts that are drawn together are planned as the mean of their sum plus
//! three of its standard deviations, but at most as if all were as long as the longest. Completions that are written are as long as they may be. The update is not the first. Other assumptions are in `sizes.rs` (the loop), `counts.rs` (layers and kernels) and `phases.rs` (phases).
//!
//! If the model has at most 2^24 weights, threads read several micro-batches at the same time; without adapters, they also differentiate them at
//! the same time. What is said below of a micro-batch then holds for each thread.
//!
//! With V tokens of the vocabulary, width C, hidden width H of perceptrons, Q = heads D, K = groups D, L blocks; M weights of the
//! model, P trained ones, s vectors of the optimiser's state (Adam 2; RMSprop 1, with momentum or centred more; SGD 0 or 1). A number has 4
//! bytes:
//!
//! | part | numbers |
//! | --- | --- |
//! | data | 1 for each token of the data, and some for each text |
//! | policy weights | M. A reward model has no head for tokens. With adapters they are frozen, and exist once for the policy and its reference |
//! | adapters | `rank (inputs + outputs)` for each chosen map of each block |
//! | value head | C with a critic, and for a reward model that is trained |
//! | reference | M with a KL weight or for DPO, unless there are adapters |
//! | reward model | the weights of its body, and C, for each reward that is a model, even if it is in the folder of the policy. If it is adapters: only these, and C; the base without its head is added once, if all weights of the policy are trained and there is no reference |
//! | gradient | at the end of a backward pass: P by weight, P as one vector, and P for the sum of earlier micro-batches, if a step has several; P in a step |
//! | optimiser state | s P; twice during a step; once more, if an update has several steps |
//! | new weights | in a step: P, P more with AdamW for the decayed weights, 2 P more without a kernel (RMSprop, SGD); once more P, if an update has several steps. The old ones are kept until the update has succeeded |
//! | writer | all weights once more, packed: a map has `(inputs + 1)` rows, and a multiple of 16 columns. The embedding twice, as rows and as the head. Cosines and sines of all positions |
//! | keys and values | `2 K L` for each token of each completion. Room for them starts at the length of the prompt and doubles |
//! | logits | while writing: V for each completion, 2 V if there are at most 64. When log-probabilities are differentiated, those of 512 tokens for each target. For entropies 3 V, for exact KL divergences 4 V for each token, and 2 V temporarily; while scoring, to measure such a divergence, 4 V for each token |
//! | packed weights | the largest map of a block, or the head, in the order in which they are read, for a pass; when the head is differentiated, also 512 tokens of it for the way back |
//! | checkpoint | 2 (1 + s) P: copies, and their file. Before that, M for the fingerprint of the reference |
//! | folder of a model | 2 M besides the weights while a model is loaded; as much, and the maps that have adapters, while it is saved |
//!
//! ### Activations
//!
//! The kernels keep for each token and block, until the backward pass has come to it:
//!
//! | operation | keeps |
//! | --- | --- |
//! | normalisations | their inputs, which are the residual sums: 2 C |
//! | maps to queries, keys and values; to gate and up | their inputs, once for all: 2 C |
//! | rotations | nothing of a token |
//! | attention | rotated queries and keys, and values: Q + 2 K. No weights of attention, which are computed again |
//! | map from the heads | its input: Q |
//! | `silu` | its input, the sigmoids, and its result for the product with `up`: 3 H |
//! | product of the gate and `up` | the output of `up`: H |
//! | `gelu_new` | its input and the hyperbolic tangents: 2 H |
//! | map out of the perceptron | its input: H |
//! | an adapter | the result of its first map: its rank |
//! | sums, scaling, selections | nothing |
//!
//! Together, a token takes `4 C + 2 Q + 2 K + 5 H` in a block of Llama and `4 C + 2 Q + 2 K + 3 H` in a block of GPT-2, and the rank of each
//! adapter. In the last block, every token takes `2 C + 2 K`. A token whose hidden state is read (for a log-probability or a score) takes
//! `5 C + 2 Q` and the perceptron (`5 H` or `3 H`) in addition, and another `2 C` while the head is differentiated. Log-probabilities keep no
//! logits: these are computed again in blocks of 512 tokens.
//! Cosines and sines take `2 D` for each block and position of the longest text. The backward pass has at most `2 C + 2 H` (GPT-2:
//! `2 C + H`) for each token besides that, when it begins; the gradients of weights that it adds later take the place of activations, so that its
//! largest moments are its begin (phase `learning`) and its end (phase `gradients`).
//!
//! A pass that keeps nothing (writing, reward models, references) takes `2 C + 4 H` (GPT-2: `C + 3 H`), or `2 C + 2 Q + 2 K` if
//! that is more, for each token that is read at once. While writing, these are all tokens of the different prompts, then one token of each
//! completion.
//!
//! Not counted: the columns of numbers of texts, indices, the graph of autodiff (some kilobytes for each operation), scratch memory of
//! threads (some hundred kilobytes each), the tokenizer (some megabytes), rewards without models, and memory that the allocator keeps.

mod counts;
mod fit;
mod lengths;
mod part;
mod phases;
mod sizes;

use std::{collections::BTreeMap, fmt};

pub use burn_pg::plan::{Bytes, available_memory};
use serde::Serialize;

use crate::{
    model::{Lora, Shape},
    task::Settings,
};
use sizes::Sizes;

pub use fit::{DoesNotFit, Fix};
pub use lengths::Lengths;
pub use part::{Part, PhasePlan};

/// What the memory of a run depends on besides its settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Shapes {
    /// The sizes of the model that is trained.
    pub policy: Shape,
    /// The reward models.
    pub rewards: Vec<RewardShape>,
    /// The prompts; only for reinforcement learning.
    pub prompts: Lengths,
    /// The texts, which are prompts with their completions; only for stored examples.
    pub texts: Lengths,
    /// The completions of stored examples. If they are not known, the whole texts.
    pub completions: Lengths,
    /// The memory of the tokens of all data.
    pub data: Bytes,
}

/// What the memory of a reward model depends on.
#[derive(Debug, Clone, PartialEq)]
pub enum RewardShape {
    /// A model of its own.
    Own(Shape),
    /// Adapters of the base of the policy.
    Adapters(Lora),
}

/// How much memory a run on texts takes.
///
/// ```
/// use burn_pg_lm::{
///     model::{Family, Shape},
///     plan::{Bytes, Lengths, Shapes, TextPlan, available_memory},
///     task::{Settings, Task, Train, settings::Sft},
/// };
///
/// let settings = Settings { base: None, task: Task::Sft(Sft::default()), train: Train::default(), lora: None };
/// let policy = Shape {
///     family: Family::Llama { rope_theta: 10_000.0 },
///     vocabulary: 2048,
///     context: 128,
///     width: 192,
///     hidden: 512,
///     blocks: 4,
///     heads: 6,
///     groups: 6,
///     head: 32,
///     epsilon: 1e-5,
///     tied: true,
/// };
/// let (texts, completions) = (Lengths::all(128), Lengths::all(64));
/// let shapes = Shapes { policy, rewards: Vec::new(), prompts: Lengths::default(), texts, completions, data: Bytes(0) };
/// let plan = TextPlan::of(&settings, &shapes);
/// println!("{plan}");
/// plan.check(available_memory())?;
/// # Ok::<(), burn_pg_lm::plan::DoesNotFit>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TextPlan {
    /// The phases of the run in order: loading; those of any update but the first; a checkpoint; the end.
    pub phases: Vec<PhasePlan>,
    /// Weights of the policy, adapters and value head included.
    pub parameters: u64,
    /// Weights that are trained.
    pub trained: u64,
    #[serde(skip)]
    settings: Settings,
    #[serde(skip)]
    shapes: Shapes,
}

impl TextPlan {
    /// Plans a run with these settings.
    #[must_use]
    pub fn of(settings: &Settings, shapes: &Shapes) -> Self {
        let sizes = Sizes::of(settings, shapes);
        Self {
            phases: sizes.phases(),
            parameters: sizes.weights + sizes.adapters + sizes.value_head,
            trained: sizes.trained,
            settings: settings.clone(),
            shapes: shapes.clone(),
        }
    }

    /// Returns the phase that takes the most memory.
    ///
    /// # Panics
    /// If there are no phases.
    #[must_use]
    pub fn peak(&self) -> &PhasePlan {
        self.phases.iter().max_by_key(|phase| phase.total()).expect("a run has phases")
    }

    /// Returns the phase with this name, if there is one.
    #[must_use]
    pub fn phase(&self, name: &str) -> Option<&PhasePlan> {
        self.phases.iter().find(|phase| phase.name == name)
    }

    /// Returns each part with the most memory that it takes in any phase.
    #[must_use]
    pub fn parts(&self) -> BTreeMap<Part, Bytes> {
        let mut parts = BTreeMap::new();
        for (&part, &bytes) in self.phases.iter().flat_map(|phase| &phase.parts) {
            let most: &mut Bytes = parts.entry(part).or_default();
            *most = bytes.max(*most);
        }
        parts
    }
}

/// Formats the plan as a table of the parts and a table of the phases.
impl fmt::Display for TextPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peak = self.peak();
        writeln!(f, "{:<20} {:>12} {:>18}   {:>12}", "part", "at most", "bytes", "at the peak")?;
        for (part, bytes) in self.parts() {
            let at_peak = peak.parts.get(&part).copied().unwrap_or_default();
            writeln!(f, "{:<20} {bytes:>12} {:>18}   {at_peak:>12}", part.name(), bytes.0)?;
        }
        writeln!(f, "\n{:<20} {:>12} {:>18}", "phase", "together", "bytes")?;
        for phase in &self.phases {
            let (total, mark) = (phase.total(), if phase == peak { "   the peak" } else { "" });
            writeln!(f, "{:<20} {total:>12} {:>18}{mark}", phase.name, total.0)?;
        }
        writeln!(f, "\n{:<20} {:>12} {:>18}", "total", peak.total(), peak.total().0)?;
        writeln!(f, "{:<20} {:>31}", "weights", self.parameters)?;
        write!(f, "{:<20} {:>31}", "trained weights", self.trained)
    }
}
