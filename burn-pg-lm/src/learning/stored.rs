//! Stored examples as sources of samples.

use std::sync::Arc;

use burn_pg::{
    Error,
    envs::EnvRng,
    loss::{Averaging, ContextPart},
    policy::Policy,
    source::{CollectContext, Experience, Samples, Source},
    storage::{Misfit, Saved, tensors::Tensors},
};
use serde::{Deserialize, Serialize};

use super::{PairBatch, TextBatch, TextPolicy, TokenPair, passes::Passes};
use crate::{
    Texts,
    model::{Transformer, fingerprint},
    reward::Scorer,
};

/// Examples that batches are made of.
pub trait Examples<P: Policy>: Send {
    /// The batches.
    type Samples: Samples<P>;

    /// Number of examples.
    fn len(&self) -> usize;

    /// True if there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns a batch of some examples. `progress` is the share of training that is over, 0 to 1.
    fn batch(&self, indices: &[usize], progress: f64) -> Self::Samples;

    /// The parts of the context of a batch.
    fn parts(&self) -> Vec<ContextPart>;

    /// The fingerprint of a model that batches are compared with, if there is one.
    ///
    /// # Errors
    /// [`Misfit::Tensors`] if the device fails.
    fn reference(&self) -> Result<Option<String>, Misfit> {
        Ok(None)
    }
}

/// A source of stored examples: batch after batch, in a random order, as often as training lasts. A step of training is an example.
pub struct StoredSource<E> {
    examples: E,
    batch: usize,
    progress: Progress,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Progress {
    /// Examples taken so far.
    taken: u64,
    passes: Passes,
    /// The fingerprint of the model that batches are compared with.
    reference: Option<String>,
}

impl<E> StoredSource<E> {
    /// Creates a source of batches of `batch` examples, whose order depends on `seed`.
    ///
    /// # Panics
    /// If `batch` is 0.
    #[must_use]
    pub fn new(examples: E, batch: usize, seed: u64) -> Self {
        assert!(batch > 0, "a batch has at least one example");
        let passes = Passes::new(EnvRng::stream(seed, &[0]));
        Self { examples, batch, progress: Progress { taken: 0, passes, reference: None } }
    }
}

impl<P: Policy, E: Examples<P>> Source<P> for StoredSource<E> {
    type Samples = E::Samples;

    fn collect(&mut self, _: &P, context: &CollectContext<'_>) -> Result<Experience<E::Samples>, Error> {
        let indices = self.progress.passes.next(self.batch, self.examples.len());
        self.progress.taken += self.batch as u64;
        let passes = self.progress.taken as f64 / self.examples.len() as f64;
        let samples = self.examples.batch(&indices, context.progress);
        Ok(Experience { metrics: vec![("passes", passes)], ..Experience::new(samples) })
    }

    fn check(&self, _: &P) -> Result<Vec<ContextPart>, Error> {
        match self.examples.is_empty() {
            true => Err(Error::Source { name: "stored examples".into(), source: "there are no examples".into() }),
            false => Ok(self.examples.parts()),
        }
    }

    /// The number of examples taken.
    fn env_steps(&self) -> u64 {
        self.progress.taken
    }

    fn longest_rollout(&self) -> Option<u64> {
        Some(self.batch as u64)
    }

    fn save(&self) -> Result<Saved, Misfit> {
        let progress = Progress { reference: self.examples.reference()?, ..self.progress.clone() };
        Saved::new(&progress, Tensors::new())
    }

    fn load(&mut self, saved: Saved, _: &P) -> Result<(), Misfit> {
        let progress: Progress = saved.state()?;
        progress.passes.check(self.examples.len())?;
        if progress.reference != self.examples.reference()? {
            return Err(Misfit::State { reason: "its reference is another model: its weights have changed".into() });
        }
        self.progress = progress;
        Ok(())
    }
}

/// Texts of which the last tokens are learned: all but the first one, or a completion after its prompt.
#[derive(Debug, Clone, Default)]
pub struct StoredTexts {
    /// The texts, each of at least two tokens.
    pub texts: Texts,
    /// How many of the last tokens of each are learned, at least 1.
    pub lengths: Vec<usize>,
}

impl StoredTexts {
    /// Returns texts of which all tokens but the first are learned. Texts longer than `context` are cut into pieces, and those of a single
    /// token are left out.
    #[must_use]
    pub fn whole(texts: &Texts, context: usize) -> Self {
        let mut stored = Self::default();
        for piece in texts.iter().flat_map(|text| text.chunks(context)).filter(|piece| piece.len() > 1) {
            stored.texts.push(piece);
            stored.lengths.push(piece.len() - 1);
        }
        stored
    }

    /// Returns a batch of some texts.
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> TextBatch {
        let texts = indices.iter().map(|&index| &self.texts.tokens()[self.texts.range(index)]).collect();
        let lengths = indices.iter().map(|&index| self.lengths[index]).collect();
        TextBatch { texts, lengths, averaging: Averaging::Token, ..TextBatch::default() }
    }
}

impl Examples<TextPolicy> for StoredTexts {
    type Samples = TextBatch;

    fn len(&self) -> usize {
        self.lengths.len()
    }

    fn batch(&self, indices: &[usize], progress: f64) -> TextBatch {
        TextBatch { progress, ..self.select(indices) }
    }

    fn parts(&self) -> Vec<ContextPart> {
        vec![ContextPart::LogProbs, ContextPart::Entropies]
    }
}

/// Pairs of texts, to learn a policy or a reward model from.
#[derive(Debug, Clone, Default)]
pub struct StoredPairs {
    /// The pairs.
    pub pairs: Vec<TokenPair>,
    /// The model that a policy is compared with; a reward model needs none.
    pub reference: Option<Arc<Transformer>>,
    /// True to take means over the tokens of a completion, in place of sums.
    pub per_token: bool,
}

impl StoredPairs {
    fn select(&self, indices: &[usize], progress: f64) -> PairBatch {
        let pairs = indices.iter().map(|&index| self.pairs[index].clone()).collect();
        PairBatch { pairs, reference: self.reference.clone(), per_token: self.per_token, progress }
    }

    fn fingerprint(&self) -> Result<Option<String>, Misfit> {
        Ok(self.reference.as_deref().map(fingerprint).transpose()?)
    }
}

/// Implements the examples of a kind of models.
macro_rules! pairs_for {
    ($policy:ty, $parts:expr) => {
        impl Examples<$policy> for StoredPairs {
            type Samples = PairBatch;

            fn len(&self) -> usize {
                self.pairs.len()
            }

            fn batch(&self, indices: &[usize], progress: f64) -> PairBatch {
                self.select(indices, progress)
            }

            fn parts(&self) -> Vec<ContextPart> {
                $parts.to_vec()
            }

            fn reference(&self) -> Result<Option<String>, Misfit> {
                self.fingerprint()
            }
        }
    };
}

pairs_for!(TextPolicy, PairBatch::OF_POLICY);
pairs_for!(Scorer, PairBatch::OF_SCORER);
