//! The phases of a run, and the memory that is taken in each.

use burn_pg::plan::Bytes;

use super::{
    counts::Counts,
    part::{Part, PhasePlan},
    sizes::{Read, Sizes, Written},
};

/// Most texts whose logits are computed by columns.
const FEW: u64 = 64;

/// Returns the bytes of numbers in single precision.
fn floats(count: u64) -> Bytes {
    Bytes(4) * count
}

impl Sizes {
    /// Returns all phases in order.
    pub fn phases(&self) -> Vec<PhasePlan> {
        let mut phases = Vec::new();
        phases.extend(self.is_loaded.then(|| self.loading()));
        phases.extend(self.written.map(|written| self.writing(written)));
        phases.extend(self.scoring());
        phases.extend([self.learning(), self.gradients(), self.step(), self.checkpoint()]);
        phases.extend(self.figures.map(|read| self.final_figures(read)));
        phases.push(self.saving());
        phases
    }

    /// Returns a phase with the weights of all models.
    fn models(&self, name: &'static str) -> PhasePlan {
        PhasePlan::new(name)
            .with(Part::Data, self.data)
            .with(Part::PolicyWeights, floats(self.weights))
            .with(Part::Adapters, floats(self.adapters))
            .with(Part::ValueHead, floats(self.value_head))
            .with(Part::Reference, floats(self.reference))
            .with(Part::RewardModel, floats(self.of_rewards))
    }

    /// Returns a phase with what is there between updates.
    fn held(&self, name: &'static str) -> PhasePlan {
        self.models(name).with(Part::OptimiserState, floats(self.trained) * self.vectors)
    }

    /// Returns a phase with what is there between the steps of an update: if there are several, also the newer weights and state.
    fn in_update(&self, name: &'static str) -> PhasePlan {
        let newer = u64::from(self.has_steps);
        self.held(name)
            .with(Part::NewWeights, floats(self.trained) * newer)
            .with(Part::OptimiserState, floats(self.trained) * self.vectors * newer)
    }

    /// Models are read one after the other: the weights of the file, zeros to put them into, and a copy of these to compare shapes.
    fn loading(&self) -> PhasePlan {
        let policy = PhasePlan::new("loading")
            .with(Part::PolicyWeights, floats(self.in_folder))
            .with(Part::Folder, floats(self.in_folder) * 2);
        // The reference shares the weights of the policy until they change.
        let reward = PhasePlan::new("loading")
            .with(Part::PolicyWeights, floats(self.weights))
            .with(Part::Adapters, floats(self.adapters))
            .with(Part::ValueHead, floats(self.value_head))
            .with(Part::RewardModel, floats(self.of_rewards))
            .with(Part::Folder, floats(self.of_reward) * 2);
        PhasePlan::largest([policy, reward])
    }

    /// Different prompts are read at once; their caches are copied for all completions; then each completion grows by a token a time.
    fn writing(&self, Written { completions, read, copied, room }: Written) -> PhasePlan {
        let model = &self.model;
        let held = || self.held("writing").with(Part::Writer, floats(model.writer(self.lora.as_ref())));
        let cache = |tokens: u64| floats(model.cached()) * tokens;
        // Few texts are computed by columns, which are then put beside one another.
        let logits = if completions.div_ceil(self.scored.at_once) <= FEW { 2 } else { 1 };
        let pass = |tokens: u64| floats(model.forward()) * tokens;
        let reading = held().with(Part::Cache, cache(read)).with(Part::Activations, pass(read));
        let copying = held().with(Part::Cache, cache(read) + cache(copied));
        let last = held()
            .with(Part::Cache, cache(room))
            .with(Part::Logits, floats(model.vocabulary) * completions * logits)
            .with(Part::Activations, pass(completions));
        PhasePlan::largest([reading, copying, last])
    }

    /// Reward models and the reference read what was written, one after the other.
    fn scoring(&self) -> Option<PhasePlan> {
        self.written?;
        let held = || self.held("scoring");
        let reward = self.reward.as_ref().map(|model| forward(held(), model, self.rewarded));
        let reference = self.has_reference.then(|| self.log_probs(held, self.scored));
        // Both log-probabilities of all tokens of the vocabulary, and what is computed from them.
        let both = || {
            self.log_probs(held, self.scored)
                .with(Part::Logits, floats(self.model.vocabulary) * self.scored.targets * 4)
        };
        let measured = self.measures_kl.then(both);
        let readers: Vec<_> = [reward, reference, measured].into_iter().flatten().collect();
        (!readers.is_empty()).then(|| PhasePlan::largest(readers))
    }

    /// Returns the larger moment of a pass that keeps nothing and ends in log-probabilities: in a block, or in the head.
    fn log_probs(&self, held: impl Fn() -> PhasePlan, read: Read) -> PhasePlan {
        let at_the_end = held()
            .with(Part::Activations, floats(self.model.width) * read.tokens.saturating_add(read.targets))
            .with(Part::PackedWeights, floats(self.model.packed_head()) * read.at_once);
        PhasePlan::largest([forward(held(), &self.model, read), at_the_end])
    }

    /// The forward and the backward pass of a micro-batch.
    fn learning(&self) -> PhasePlan {
        let (model, read) = (&self.model, self.micro_batch);
        let [kept_logits, temporary_logits] = self.logits.map(|copies| {
            let logits = floats(model.vocabulary) * read.targets;
            logits * copies
        });
        // The hidden states that are asked for, once more.
        let hidden = floats(model.width) * read.asked;
        let packed_head = if self.is_scorer { 0 } else { model.packed_head() * read.at_once };
        let lora = self.lora.as_ref();
        // Before and after the backward pass through the last block.
        let before = || {
            self.in_update("learning")
                .with(Part::Gradient, floats(self.trained) * u64::from(self.has_parts))
                .with(Part::Activations, floats(model.kept_before(lora, read)))
                .with(Part::Activations, floats(model.kept_once(read.longest)) * read.at_once)
        };
        let held = || before().with(Part::Activations, floats(model.kept_at_last(lora, read)) + hidden);
        // The policy's head is packed from its forward pass to its backward pass.
        let with_head = || held().with(Part::PackedWeights, floats(packed_head)).with(Part::Logits, kept_logits);
        // Its backward pass takes one block of tokens after the other: packed for the way back, with the derivatives of its logits.
        let back = if self.is_scorer { 0 } else { model.packed_block() * read.at_once };
        let of_logits = if self.is_scorer { 0 } else { model.block() * read.targets };
        let of_head = with_head()
            .with(Part::PackedWeights, floats(back))
            .with(Part::Logits, floats(of_logits))
            .with(Part::Activations, hidden)
            .with(Part::Logits, temporary_logits)
            .with(Part::Activations, hidden);
        let of_reference = self.reads_reference.then(|| self.log_probs(with_head, read));
        let head_gradient = if self.lora.is_some() || self.is_scorer { 0 } else { model.vocabulary * model.width };
        let backward = |held: PhasePlan, tokens: u64| {
            held.with(Part::Gradient, floats(head_gradient) * read.at_once)
                .with(Part::PackedWeights, floats(model.packed_map()) * read.at_once)
                .with(Part::Activations, floats(model.backward()) * tokens)
        };
        let of_blocks = [backward(held(), read.asked), backward(before(), read.tokens)];
        PhasePlan::largest([of_head].into_iter().chain(of_blocks).chain(of_reference))
    }

    /// The end of the backward pass: the gradients of all weights and the vector into which they are joined, for each part that is computed at
    /// once, and the sum of the vectors of earlier micro-batches.
    fn gradients(&self) -> PhasePlan {
        self.in_update("gradients")
            .with(Part::Gradient, floats(self.trained) * (2 * self.micro_batch.at_once + u64::from(self.has_parts)))
    }

    /// A step: the old weights and the old state are there until the update has succeeded.
    fn step(&self) -> PhasePlan {
        self.in_update("step")
            .with(Part::Gradient, floats(self.trained))
            .with(Part::NewWeights, floats(self.trained) * (1 + self.temporary))
            .with(Part::OptimiserState, floats(self.trained) * self.vectors)
    }

    /// First a fingerprint of the reference, which is copied to the host; then copies of weights and state, and their file.
    fn checkpoint(&self) -> PhasePlan {
        let fingerprint = floats(if self.has_reference { self.weights } else { 0 });
        let copies = floats(self.trained) * (2 * (1 + self.vectors));
        self.held("checkpoint").with(Part::Checkpoint, fingerprint.max(copies))
    }

    /// Predictions of what was held out.
    fn final_figures(&self, read: Read) -> PhasePlan {
        let held = || self.held("final figures");
        if self.is_scorer { forward(held(), &self.model, read) } else { self.log_probs(held, read) }
    }

    /// The folder of the model: weights with their adapters added to them, a copy of all in the layout of the file, and the file.
    fn saving(&self) -> PhasePlan {
        let merged = self.lora.as_ref().map_or(0, |lora| self.model.weights_with_adapters(lora));
        self.held("saving").with(Part::Folder, floats(self.weights) * 2).with(Part::Folder, floats(merged))
    }
}

/// Adds a pass that keeps nothing.
fn forward(held: PhasePlan, model: &Counts, read: Read) -> PhasePlan {
    held.with(Part::Activations, floats(model.forward()) * read.tokens)
        .with(Part::PackedWeights, floats(model.packed_map()) * read.at_once)
}
