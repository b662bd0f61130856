//! Texts that a policy writes, as a source of samples.

mod advantages;
mod metrics;
mod spec;

pub use spec::TextSourceSpec;

use std::sync::Arc;

use burn_pg::{
    Error,
    envs::{EnvRng, wrapper::EpisodeStats},
    loss::ContextPart,
    source::{CollectContext, Experience, Source},
    storage::{
        Misfit, Saved,
        tensors::{Tensors, TensorsError},
    },
};
use serde::{Deserialize, Serialize};

use self::advantages::{credited, divergences};
use super::{Columns, Credit, Reward, Sample, TextBatch, TextPolicy, Written, passes::Passes};
use crate::{
    Texts,
    generate::{Choice, Completion, complete},
    model::{Transformer, fingerprint},
};

/// Sees what was written for an update: texts, their scores, and the update.
type Reader = Box<dyn FnMut(u64, &[Written<'_>], &[f64]) + Send>;

/// A source of texts: the policy completes prompts, each several times, and a reward scores the completions.
pub struct TextSource {
    spec: TextSourceSpec,
    prompts: Texts,
    reward: Box<dyn Reward>,
    reference: Option<Arc<Transformer>>,
    reader: Option<Reader>,
    progress: Progress,
    scores: EpisodeStats,
}

/// What later samples depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Progress {
    /// Number of completions begun. The number of a completion selects its random numbers.
    begun: u64,
    /// Number of tokens written.
    tokens: u64,
    passes: Passes,
    /// The weight of the KL divergence in the next update.
    kl_weight: f64,
}

/// A saved state.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    progress: Progress,
    scores: EpisodeStats,
    /// The fingerprint of the reference, which is not saved.
    reference: Option<String>,
}

/// Streams of random numbers of a seed.
const ORDER: u32 = 0;
const COMPLETIONS: u32 = 1;

impl TextSource {
    /// Creates a source of completions of `prompts`.
    ///
    /// # Panics
    /// If there are no prompts, a prompt is empty, the numbers of the specification are out of range, or a KL divergence has a weight or
    /// is measured, but there is no reference.
    #[must_use]
    pub fn new(
        spec: TextSourceSpec,
        prompts: Texts,
        reward: impl Reward + 'static,
        reference: Option<Transformer>,
    ) -> Self {
        let least = if spec.credit.needs_values() || spec.credit == Credit::Mean { 1 } else { 2 };
        assert!(!prompts.is_empty() && prompts.iter().all(|prompt| !prompt.is_empty()), "prompts must not be empty");
        assert!(spec.prompts > 0 && spec.limit.tokens > 0 && spec.group_size >= least, "too few completions");
        assert!(spec.rows_at_once > 0, "at least one completion is read at once");
        let is_compared = spec.kl_weight.start() > 0.0 || spec.measure_kl;
        assert!(!is_compared || reference.is_some(), "a KL divergence needs a reference");
        assert!(spec.sample == Sample::Token || !spec.credit.needs_values(), "a critic values tokens");
        let passes = Passes::new(EnvRng::stream(spec.seed, &[ORDER]));
        let kl_weight = spec.kl_weight.start();
        Self {
            spec,
            prompts,
            reward: Box::new(reward),
            // Only read, and never on a device with autodiff.
            reference: reference.map(|reference| Arc::new(burn::module::Module::valid(&reference.with_frozen(true)))),
            reader: None,
            progress: Progress { begun: 0, tokens: 0, passes, kl_weight },
            scores: EpisodeStats::default(),
        }
    }

    /// Shows `reader` the texts of each update with their scores, and the number of the update.
    #[must_use]
    pub fn with_reader(mut self, reader: impl FnMut(u64, &[Written<'_>], &[f64]) + Send + 'static) -> Self {
        self.reader = Some(Box::new(reader));
        self
    }

    /// Returns the indices of the prompts of the next update, each as often as a group is large.
    fn next_prompts(&mut self) -> Vec<usize> {
        let chosen = self.progress.passes.next(self.spec.prompts, self.prompts.len());
        chosen.into_iter().flat_map(|index| std::iter::repeat_n(index, self.spec.group_size)).collect()
    }

    /// Lets the policy complete prompts.
    fn write(&mut self, policy: &TextPolicy, prompts: &Texts) -> Result<Vec<Completion<f32>>, Error> {
        let writer = policy.writer().map_err(|error| failed(&error))?;
        let begun = self.progress.begun;
        let mut streams: Vec<_> = (0..prompts.len() as u64)
            .map(|i| {
                let number = begun + i;
                #[allow(clippy::cast_possible_truncation)] // both halves
                let mut rng = EnvRng::stream(self.spec.seed, &[COMPLETIONS, number as u32, (number >> 32) as u32]);
                move || rng.next_f64()
            })
            .collect();
        let completions = complete(&writer, prompts, &Choice::default(), &self.spec.limit, &mut streams);
        self.progress.begun += prompts.len() as u64;
        self.progress.tokens += completions.iter().map(|completion| completion.tokens.len() as u64).sum::<u64>();
        Ok(completions)
    }

    /// Returns the scores of completions, NaN for one that cannot be scored, and counts the others.
    fn score(&mut self, written: &[Written<'_>]) -> Result<Vec<f64>, Error> {
        let mut scores = self.reward.score(written)?;
        if scores.len() != written.len() {
            let reason = format!("the reward gave {} scores for {} texts", scores.len(), written.len());
            return Err(Error::Source { name: self.name(), source: reason.into() });
        }
        for (score, text) in scores.iter_mut().zip(written) {
            *score = if score.is_finite() { *score } else { f64::NAN };
            *score -= if text.ended { 0.0 } else { self.spec.missing_end };
            if score.is_finite() {
                self.scores.push(*score, u32::try_from(text.completion.len()).unwrap_or(u32::MAX));
            }
        }
        Ok(scores)
    }

    /// Returns texts with the log-probabilities of the policy that wrote them and of the reference.
    fn batch(
        &self,
        written: &[Written<'_>],
        completions: &[Completion<f32>],
        progress: f64,
    ) -> Result<TextBatch, Error> {
        let mut columns = Columns::default();
        let log_probs = completions.iter().flat_map(|completion| completion.log_probs.iter().copied());
        columns.set(ContextPart::OldLogProbs, log_probs.collect());
        if self.spec.credit.needs_values() {
            let values = completions.iter().flat_map(|completion| completion.values.iter().copied());
            columns.set(ContextPart::OldValues, values.collect());
        }
        let mut batch = TextBatch {
            texts: written.iter().map(|text| [text.prompt, text.completion].concat()).collect(),
            lengths: written.iter().map(|text| text.completion.len()).collect(),
            columns,
            reference: self.reference.clone(),
            sample: self.spec.sample,
            averaging: self.spec.averaging,
            progress,
        };
        if let Some(reference) = &self.reference {
            let of_part = |part: &TextBatch| part.log_probs(reference);
            let log_probs = batch.by_parts(self.spec.rows_at_once, reference.is_computed_in_parts(), of_part)?;
            batch.columns.set(ContextPart::ReferenceLogProbs, log_probs);
        }
        Ok(batch)
    }

    /// Returns the mean over texts of the divergence from the reference over the whole vocabulary, if it is to be measured.
    fn exact_divergence(&self, policy: &TextPolicy, batch: &TextBatch) -> Result<Option<(&'static str, f64)>, Error> {
        let Some(reference) = self.reference.as_ref().filter(|_| self.spec.measure_kl) else { return Ok(None) };
        let of_part = |part: &TextBatch| part.divergences_of(policy.model(), reference);
        let divergences = batch.by_parts(self.spec.rows_at_once, policy.model().is_computed_in_parts(), of_part)?;
        let sum: f64 = divergences.into_iter().map(f64::from).sum();
        Ok(Some(("kl_exact", sum / batch.lengths.len() as f64)))
    }
}

impl Source<TextPolicy> for TextSource {
    type Samples = TextBatch;

    fn collect(&mut self, policy: &TextPolicy, context: &CollectContext<'_>) -> Result<Experience<TextBatch>, Error> {
        let indices = self.next_prompts();
        let prompts: Texts = indices.iter().map(|&index| &self.prompts.tokens()[self.prompts.range(index)]).collect();
        let completions = self.write(policy, &prompts)?;
        let texts = indices.into_iter().zip(prompts.iter()).zip(&completions);
        let written = texts.map(|((index, prompt), completion)| Written {
            index,
            prompt,
            completion: &completion.tokens,
            ended: completion.ended,
        });
        let written: Vec<Written<'_>> = written.collect();
        let scores = self.score(&written)?;
        if let Some(reader) = &mut self.reader {
            reader(context.update, &written, &scores);
        }
        if scores.iter().all(|score| score.is_nan()) {
            return Err(Error::Unscored { update: context.update, samples: scores.len() });
        }
        let batch = self.batch(&written, &completions, context.progress)?;
        let mut metrics = metrics::of_completions(&self.spec, &completions, &scores).to_vec();
        metrics.push(("tokens_written", self.progress.tokens as f64));
        metrics.extend(self.reward.metrics());
        metrics.extend(self.exact_divergence(policy, &batch)?);
        let weight = self.progress.kl_weight;
        if self.reference.is_some() {
            let divergence = divergences(&batch).iter().sum::<f64>() / completions.len() as f64;
            metrics.extend([("kl_per_text", divergence), ("kl_weight", weight)]);
            self.progress.kl_weight = self.spec.kl_weight.next(weight, divergence, completions.len());
        }
        let (batch, explained_variance) = credited(&self.spec, batch, scores, weight);
        Ok(Experience { metrics, explained_variance, ..Experience::new(batch) })
    }

    /// The number of completions written: a step of training is a completion.
    fn env_steps(&self) -> u64 {
        self.progress.begun
    }

    fn longest_rollout(&self) -> Option<u64> {
        Some(self.spec.completions() as u64)
    }

    fn check(&self, policy: &TextPolicy) -> Result<Vec<ContextPart>, Error> {
        if self.spec.credit.needs_values() && policy.value.is_none() {
            return Err(Error::NoCritic);
        }
        let mut parts = vec![ContextPart::LogProbs, ContextPart::OldLogProbs, ContextPart::Advantages];
        let is_token = self.spec.sample == Sample::Token;
        parts.extend(is_token.then_some(ContextPart::Entropies));
        if self.reference.is_some() {
            parts.push(ContextPart::ReferenceLogProbs);
            parts.extend(is_token.then_some(ContextPart::ReferenceKls));
        }
        if self.spec.credit.needs_values() {
            parts.extend([ContextPart::Values, ContextPart::OldValues, ContextPart::Returns]);
        }
        Ok(parts)
    }

    /// The scores of completions, as returns of episodes whose steps are tokens.
    fn episodes(&self) -> &EpisodeStats {
        &self.scores
    }

    fn save(&self) -> Result<Saved, Misfit> {
        let reference = self.reference.as_deref().map(fingerprint).transpose()?;
        let state = State { progress: self.progress.clone(), scores: self.scores.clone(), reference };
        Saved::new(&state, Tensors::new())
    }

    fn load(&mut self, saved: Saved, _: &TextPolicy) -> Result<(), Misfit> {
        let State { progress, scores, reference } = saved.state()?;
        progress.passes.check(self.prompts.len())?;
        if reference != self.reference.as_deref().map(fingerprint).transpose()? {
            return Err(Misfit::State { reason: "its reference is another model: its weights have changed".into() });
        }
        (self.progress, self.scores) = (progress, scores);
        Ok(())
    }
}

fn failed(error: &TensorsError) -> Error {
    Error::Execution(error.to_string())
}
