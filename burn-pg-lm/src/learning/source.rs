//! Texts that a policy writes, as a source of samples.

use std::sync::Arc;

use burn_pg::{
    Error,
    advantage::explained_variance,
    envs::{EnvRng, wrapper::EpisodeStats},
    loss::{Averaging, ContextPart},
    source::{CollectContext, Experience, Source},
    storage::{
        Misfit, Saved,
        tensors::{Tensors, TensorsError},
    },
};
use serde::{Deserialize, Serialize};

use super::{
    Columns, Credit, KlPlace, KlWeight, Reward, Sample, TextBatch, TextPolicy, Written,
    batch::whiten,
    credit::{token_advantages, token_rewards},
    passes::Passes,
};
use crate::{
    Texts,
    generate::{Choice, Completion, Limit, Writer, complete},
    model::{Transformer, fingerprint},
};

/// What a [`TextSource`] does for each update.
#[derive(Debug, Clone, PartialEq)]
pub struct TextSourceSpec {
    /// Prompts for each update, at least 1.
    pub prompts: usize,
    /// Completions of each prompt, at least 1; at least 2 if they are compared with each other.
    pub group_size: usize,
    /// When a completion ends.
    pub limit: Limit,
    /// How scores become advantages.
    pub credit: Credit,
    /// Weight of the KL divergence from the reference, 0 or more; needs a reference if it is not 0.
    pub kl_weight: KlWeight,
    /// Where the KL divergence is subtracted.
    pub kl_place: KlPlace,
    /// True to measure the divergence over the whole vocabulary too (the metric `kl_exact`); needs a reference.
    pub measure_kl: bool,
    /// Subtracted from the score of a completion that was cut off, 0 or more.
    pub missing_end: f64,
    /// True to scale the rewards of tokens to a standard deviation of 1; only with a critic.
    pub whiten_rewards: bool,
    /// True to shift and scale the advantages of all tokens to mean 0 and a standard deviation of 1.
    pub whiten_advantages: bool,
    /// What a sample is; [`Sample::Token`] with a critic.
    pub sample: Sample,
    /// How losses of tokens are averaged.
    pub averaging: Averaging,
    /// Completions that the reference and the critic read at once, at least 1: fewer take less memory. Without effect on results.
    pub rows_at_once: usize,
    /// Seeds the order of the prompts, and the random numbers of each completion.
    pub seed: u64,
}

impl TextSourceSpec {
    /// A source of groups without a KL divergence and without extras.
    #[must_use]
    pub fn new(prompts: usize, group_size: usize, limit: Limit, credit: Credit) -> Self {
        Self {
            prompts,
            group_size,
            limit,
            credit,
            kl_weight: KlWeight::Fixed(0.0),
            kl_place: KlPlace::Reward,
            measure_kl: false,
            missing_end: 0.0,
            whiten_rewards: false,
            whiten_advantages: false,
            sample: Sample::Token,
            averaging: Averaging::Token,
            rows_at_once: 64,
            seed: 0,
        }
    }

    /// Number of completions for each update.
    fn completions(&self) -> usize {
        self.prompts * self.group_size
    }
}

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
        let writer = Writer::<f32>::new(policy.model()).map_err(|error| failed(&error))?;
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

    /// Sets the advantages, and what else follows from the scores, with this weight of the KL divergence. Returns the share of the returns that a critic explains.
    fn give_credit(
        &self,
        batch: &mut TextBatch,
        policy: &TextPolicy,
        scores: &[f64],
        weight: f64,
    ) -> Result<Option<f64>, Error> {
        let TextSourceSpec { credit, kl_place, sample, group_size, .. } = self.spec;
        let divergences = divergences(batch);
        if let Credit::Gae(gae) = credit {
            let of_part =
                |part: &TextBatch| policy.values(part.hidden(policy.model())).expect("checked before training");
            let values = batch.by_parts(self.spec.rows_at_once, policy.model().is_computed_in_parts(), of_part)?;
            let mut rewards = narrow(&token_rewards(scores, &divergences, &batch.lengths, weight));
            if self.spec.whiten_rewards {
                whiten(&mut rewards, false);
            }
            let targets = token_advantages(gae, &rewards, &values, &batch.lengths);
            let mut advantages = targets.advantages;
            if kl_place == KlPlace::Term {
                advantages.iter_mut().zip(&divergences).for_each(|(advantage, own)| *advantage += weight * own);
            }
            let explained = explained_variance(&values, &targets.returns);
            batch.columns.set(ContextPart::OldValues, values);
            batch.columns.set(ContextPart::Returns, narrow(&targets.returns));
            batch.columns.set(ContextPart::Advantages, narrow(&advantages));
            return Ok(explained);
        }
        // A term for whole completions has the whole divergence already.
        let of_whole = kl_place == KlPlace::Term && sample != Sample::Token;
        let in_reward = if of_whole { 0.0 } else { weight };
        let penalties = batch.tokens().map(|tokens| in_reward * divergences[tokens].iter().sum::<f64>());
        let penalties: Vec<f64> = penalties.collect();
        let advantages = credit.of_completions(scores, &penalties, group_size).expect("there is no critic");
        let mut of_tokens = Vec::with_capacity(divergences.len());
        for (tokens, advantage) in batch.tokens().zip(advantages) {
            let mut past = 0.0;
            for own in &divergences[tokens] {
                // What a term for each token sees, and what came before it, is not for the advantage.
                past += if kl_place == KlPlace::Term { in_reward * own } else { 0.0 };
                of_tokens.push(advantage + past);
            }
        }
        batch.columns.set(ContextPart::Advantages, narrow(&of_tokens));
        Ok(None)
    }

    fn metrics(&self, completions: &[Completion<f32>], scores: &[f64], batch: &TextBatch) -> Vec<(&'static str, f64)> {
        let count = completions.len() as f64;
        let numbers: Vec<f64> = scores.iter().copied().filter(|score| score.is_finite()).collect();
        let cut = completions.iter().filter(|completion| !completion.ended).count() as f64;
        let groups = scores.chunks(self.spec.group_size);
        let same = groups.filter(|group| group.iter().all(|score| *score == group[0])).count() as f64;
        let tokens = completions.iter().map(|completion| completion.tokens.len()).sum::<usize>() as f64;
        let mut metrics = vec![
            ("score", numbers.iter().sum::<f64>() / (numbers.len() as f64).max(1.0)),
            ("unscored", (count - numbers.len() as f64) / count),
            ("completion_length", tokens / count),
            ("truncated_share", cut / count),
            ("tokens_written", self.progress.tokens as f64),
            ("groups_without_spread", if self.spec.group_size > 1 { same / self.spec.prompts as f64 } else { 0.0 }),
        ];
        if self.reference.is_some() {
            let divergence = divergences(batch).iter().sum::<f64>() / batch.lengths.len().max(1) as f64;
            metrics.extend([("kl_per_text", divergence), ("kl_weight", self.progress.kl_weight)]);
        }
        metrics.extend(self.reward.metrics());
        metrics
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
        let mut scores = self.reward.score(&written)?;
        if scores.len() != written.len() {
            let reason = format!("the reward gave {} scores for {} texts", scores.len(), written.len());
            return Err(Error::Source { name: self.name(), source: reason.into() });
        }
        for (score, text) in scores.iter_mut().zip(&written) {
            *score = if score.is_finite() { *score } else { f64::NAN };
            if !text.ended {
                *score -= self.spec.missing_end;
            }
        }
        if let Some(reader) = &mut self.reader {
            reader(context.update, &written, &scores);
        }
        for (score, text) in scores.iter().zip(&written).filter(|(score, _)| score.is_finite()) {
            self.scores.push(*score, u32::try_from(text.completion.len()).unwrap_or(u32::MAX));
        }
        let mut columns = Columns::default();
        let log_probs = completions.iter().flat_map(|completion| completion.log_probs.iter().copied());
        columns.set(ContextPart::OldLogProbs, log_probs.collect());
        let mut batch = TextBatch {
            texts: written.iter().map(|text| [text.prompt, text.completion].concat()).collect(),
            lengths: written.iter().map(|text| text.completion.len()).collect(),
            columns,
            reference: self.reference.clone(),
            sample: self.spec.sample,
            averaging: self.spec.averaging,
            progress: context.progress,
        };
        if let Some(reference) = &self.reference {
            let log_probs = batch
                .by_parts(self.spec.rows_at_once, reference.is_computed_in_parts(), |part| part.log_probs(reference))?;
            batch.columns.set(ContextPart::ReferenceLogProbs, log_probs);
        }
        let mut metrics = self.metrics(&completions, &scores, &batch);
        metrics.extend(self.exact_divergence(policy, &batch)?);
        let weight = self.progress.kl_weight;
        if let Some(&(_, divergence)) = metrics.iter().find(|(name, _)| *name == "kl_per_text") {
            self.progress.kl_weight = self.spec.kl_weight.next(weight, divergence, completions.len());
        }
        // What cannot be scored is not learned from. Without a critic, the others of its group are compared with each other.
        let kept: Vec<usize> = (0..scores.len()).filter(|&row| scores[row].is_finite()).collect();
        let all = kept.len() == scores.len();
        if !all && self.spec.credit.needs_values() {
            scores.retain(|score| score.is_finite());
            batch = batch.of(kept.iter().copied());
        }
        let explained_variance = self.give_credit(&mut batch, policy, &scores, weight)?;
        if !all && !self.spec.credit.needs_values() {
            batch = batch.of(kept);
        }
        if self.spec.whiten_advantages
            && let Some(advantages) = batch.columns.get_mut(ContextPart::Advantages)
        {
            whiten(advantages, true);
        }
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

/// Returns the differences of the log-probabilities of tokens under the policy that wrote them and under the reference; 0 without one.
fn divergences(batch: &TextBatch) -> Vec<f64> {
    let column = |part| batch.columns.get(part);
    let ours = column(ContextPart::OldLogProbs).unwrap_or_default();
    match column(ContextPart::ReferenceLogProbs) {
        None => vec![0.0; ours.len()],
        Some(theirs) => ours.iter().zip(theirs).map(|(&ours, &theirs)| f64::from(ours) - f64::from(theirs)).collect(),
    }
}

#[allow(clippy::cast_possible_truncation)] // to single precision
fn narrow(numbers: &[f64]) -> Vec<f32> {
    numbers.iter().map(|&number| number as f32).collect()
}

fn failed(error: &TensorsError) -> Error {
    Error::Execution(error.to_string())
}
