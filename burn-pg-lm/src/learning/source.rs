//! Texts that a policy writes, as a source of samples.

use burn::tensor::{Int, Tensor, TensorData};
use burn_pg::{
    Error,
    advantage::{GrpoScale, grpo, rloo},
    envs::EnvRng,
    loss::Averaging,
    source::{CollectContext, Experience, Source},
    storage::{
        Misfit, Saved,
        tensors::{TensorsError, into_module, of_module},
    },
};
use serde::{Deserialize, Serialize};

use super::{Reward, TextBatch, TextPolicy, Written};
use crate::{
    Texts,
    generate::{Choice, Completion, Limit, Writer, complete},
    model::Transformer,
};

/// How the completions of a prompt are compared with each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GroupAdvantage {
    /// With the mean of the others: see [`rloo`].
    Rloo,
    /// With the mean of all, divided by a standard deviation: see [`grpo`].
    Grpo(GrpoScale),
}

/// What a [`TextSource`] does for each update.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextSourceSpec {
    /// Prompts for each update, at least 1.
    pub prompts: usize,
    /// Completions of each prompt, at least 2.
    pub group_size: usize,
    /// When a completion ends.
    pub limit: Limit,
    /// How completions are compared.
    pub advantage: GroupAdvantage,
    /// Weight of the KL divergence from the reference in the reward, 0 or more; needs a reference if it is not 0.
    pub kl_in_reward: f64,
    /// How losses of tokens are averaged.
    pub averaging: Averaging,
    /// Seeds the order of the prompts, and the random numbers of each completion.
    pub seed: u64,
}

/// A source of texts: the policy completes prompts, each several times, and a reward scores the completions.
pub struct TextSource {
    spec: TextSourceSpec,
    prompts: Texts,
    reward: Box<dyn Reward>,
    reference: Option<Transformer>,
    progress: Progress,
}

/// What later samples depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Progress {
    /// Number of completions begun. The number of a completion selects its random numbers.
    begun: u64,
    /// Number of tokens written.
    tokens: u64,
    /// The prompts that are still to come in this pass over them, the next one last.
    left: Vec<u32>,
    order: EnvRng,
}

/// Streams of random numbers of a seed.
const ORDER: u32 = 0;
const COMPLETIONS: u32 = 1;

impl TextSource {
    /// Creates a source of completions of `prompts`.
    ///
    /// # Panics
    /// If there are no prompts, a prompt is empty, the numbers of the specification are out of range, or the reward contains a
    /// KL divergence without a reference.
    #[must_use]
    pub fn new(
        spec: TextSourceSpec,
        prompts: Texts,
        reward: impl Reward + 'static,
        reference: Option<Transformer>,
    ) -> Self {
        assert!(!prompts.is_empty() && prompts.iter().all(|prompt| !prompt.is_empty()), "prompts must not be empty");
        assert!(
            spec.prompts > 0 && spec.group_size > 1 && spec.limit.tokens > 0,
            "a group has at least two completions"
        );
        assert!(spec.kl_in_reward == 0.0 || reference.is_some(), "a KL divergence needs a reference");
        let order = EnvRng::stream(spec.seed, &[ORDER]);
        let progress = Progress { begun: 0, tokens: 0, left: Vec::new(), order };
        Self { spec, prompts, reward: Box::new(reward), reference, progress }
    }

    /// Returns the prompts of the next update, each as often as a group is large.
    fn next_prompts(&mut self) -> Texts {
        let mut next = Texts::default();
        for _ in 0..self.spec.prompts {
            if self.progress.left.is_empty() {
                self.progress.left = (0..u32::try_from(self.prompts.len()).expect("fewer than 2^32 prompts")).collect();
                self.progress.order.shuffle(&mut self.progress.left);
            }
            let index = self.progress.left.pop().expect("prompts are left") as usize;
            let prompt = &self.prompts.tokens()[self.prompts.range(index)];
            (0..self.spec.group_size).for_each(|_| next.push(prompt));
        }
        next
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
        let completions = complete(&writer, prompts, &Choice::default(), self.spec.limit, &mut streams);
        self.progress.begun += prompts.len() as u64;
        self.progress.tokens += completions.iter().map(|completion| completion.tokens.len() as u64).sum::<u64>();
        Ok(completions)
    }

    /// Returns the KL divergence of each completion from the reference, as sampled: the sum of the differences of the logarithms of
    /// the probabilities of its tokens. Without a reference, all are 0.
    fn divergences(&self, batch: &TextBatch) -> Result<Vec<f64>, Error> {
        let Some(reference) = &self.reference else { return Ok(vec![0.0; batch.lengths.len()]) };
        let (targets, rows) = batch.targets();
        let hidden = reference.hidden(&batch.texts);
        let device = hidden.device();
        let hidden = hidden.select(0, Tensor::<1, Int>::from_data(TensorData::from(&rows[..]), &device));
        let log_probs = reference
            .log_probs(hidden, &targets)
            .try_into_data()
            .map_err(|error| Error::Execution(error.to_string()))?;
        let differences: Vec<f64> = batch
            .log_probs
            .iter()
            .zip(log_probs.iter::<f64>())
            .map(|(&ours, theirs)| f64::from(ours) - theirs)
            .collect();
        let mut rest = &differences[..];
        let sums = batch.lengths.iter().map(|&length| {
            let (own, after) = rest.split_at(length);
            rest = after;
            own.iter().sum()
        });
        Ok(sums.collect())
    }
}

impl Source<TextPolicy> for TextSource {
    type Samples = TextBatch;

    fn collect(&mut self, policy: &TextPolicy, context: &CollectContext<'_>) -> Result<Experience<TextBatch>, Error> {
        let prompts = self.next_prompts();
        let completions = self.write(policy, &prompts)?;
        let written = prompts.iter().zip(&completions).map(|(prompt, completion)| Written {
            prompt,
            completion: &completion.tokens,
            ended: completion.ended,
        });
        let scores = self.reward.score(&written.collect::<Vec<_>>())?;
        let texts = prompts.iter().zip(&completions).map(|(prompt, completion)| [prompt, &completion.tokens].concat());
        let mut batch = TextBatch {
            texts: texts.collect(),
            lengths: completions.iter().map(|completion| completion.tokens.len()).collect(),
            log_probs: completions.iter().flat_map(|completion| completion.log_probs.iter().copied()).collect(),
            advantages: Vec::new(),
            averaging: self.spec.averaging,
            progress: context.progress,
        };
        let divergences = self.divergences(&batch)?;
        let rewards: Vec<f64> = scores
            .iter()
            .zip(&divergences)
            .map(|(score, divergence)| score - self.spec.kl_in_reward * divergence)
            .collect();
        let advantages = match self.spec.advantage {
            GroupAdvantage::Rloo => rloo(&rewards, self.spec.group_size),
            GroupAdvantage::Grpo(scale) => grpo(&rewards, self.spec.group_size, scale),
        };
        #[allow(clippy::cast_possible_truncation)] // to single precision
        let of_tokens = advantages
            .iter()
            .zip(&batch.lengths)
            .flat_map(|(&advantage, &length)| std::iter::repeat_n(advantage as f32, length));
        batch.advantages = of_tokens.collect();
        let count = completions.len() as f64;
        let numbers: Vec<f64> = scores.iter().copied().filter(|score| !score.is_nan()).collect();
        let cut = completions.iter().filter(|completion| !completion.ended).count() as f64;
        let same = rewards.chunks(self.spec.group_size).filter(|group| group.iter().all(|reward| *reward == group[0]));
        let metrics = vec![
            ("score", numbers.iter().sum::<f64>() / (numbers.len() as f64).max(1.0)),
            ("unscored", (count - numbers.len() as f64) / count),
            ("completion_length", batch.log_probs.len() as f64 / count),
            ("truncated_share", cut / count),
            ("kl_per_text", divergences.iter().sum::<f64>() / count),
            ("groups_without_spread", same.count() as f64 / self.spec.prompts as f64),
        ];
        Ok(Experience { metrics, ..Experience::new(batch) })
    }

    /// The number of tokens written.
    fn env_steps(&self) -> u64 {
        self.progress.tokens
    }

    fn longest_rollout(&self) -> Option<u64> {
        let TextSourceSpec { prompts, group_size, limit, .. } = self.spec;
        Some((prompts * group_size * limit.tokens) as u64)
    }

    fn save(&self) -> Result<Saved, Misfit> {
        let reference = self.reference.as_ref().map(of_module).transpose()?.unwrap_or_default();
        Saved::new(&self.progress, reference)
    }

    fn load(&mut self, saved: Saved, _: &TextPolicy) -> Result<(), Misfit> {
        let progress: Progress = saved.state()?;
        let outside = |&prompt: &u32| prompt as usize >= self.prompts.len();
        if progress.left.iter().any(outside) {
            return Err(Misfit::State { reason: "it has prompts that this run does not have".into() });
        }
        if let Some(reference) = &self.reference {
            let expected = of_module(reference)?;
            self.reference = Some(into_module(reference.clone(), saved.tensors().clone(), &expected)?);
        }
        self.progress = progress;
        Ok(())
    }
}

fn failed(error: &TensorsError) -> Error {
    Error::Execution(error.to_string())
}
