//! Normalised observations and rewards.

use serde::{Deserialize, Serialize};

use super::RunningMoments;
use crate::{Actions, Autoreset, EnvError, EnvSpec, SavedEnvs, StepBatch, VectorEnv};

/// Added to variances before the root is taken.
const EPSILON: f64 = 1e-8;

/// Shifts and scales observations by their running mean and deviation, and clips them:
/// `clip((o - mean) / sqrt(variance + 1e-8), -clip, clip)`. Plain data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObservationNormalizer {
    /// Of the observations seen.
    pub moments: RunningMoments,
    /// Bound of what comes out; 10 by default.
    pub clip: f64,
}

impl ObservationNormalizer {
    /// Of observations of `len` numbers.
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self { moments: RunningMoments::new(len), clip: 10.0 }
    }

    /// Normalises observations of shape `[N, D]` in place.
    #[allow(clippy::cast_possible_truncation)] // observations are single precision
    pub fn apply(&self, observations: &mut [f32]) {
        let RunningMoments { mean, variance, .. } = &self.moments;
        for row in observations.chunks_exact_mut(mean.len()) {
            for ((number, mean), variance) in row.iter_mut().zip(mean).zip(variance) {
                let normal = (f64::from(*number) - mean) / (variance + EPSILON).sqrt();
                *number = normal.clamp(-self.clip, self.clip) as f32;
            }
        }
    }
}

/// Divides rewards by the running deviation of the discounted return, and clips them:
/// `clip(r / sqrt(variance + 1e-8), -clip, clip)`. They are not shifted, which would change the task. Plain data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RewardNormalizer {
    /// Of the discounted returns, which are one number a step.
    pub moments: RunningMoments,
    /// Discounted return of each running episode. Shape `[N]`.
    pub returns: Vec<f64>,
    /// Discount of the returns.
    pub gamma: f64,
    /// Bound of what comes out; 10 by default.
    pub clip: f64,
}

impl RewardNormalizer {
    /// For `num_envs` environments.
    #[must_use]
    pub fn new(num_envs: usize, gamma: f64) -> Self {
        Self { moments: RunningMoments::new(1), returns: vec![0.0; num_envs], gamma, clip: 10.0 }
    }

    /// Takes in rewards of shape `[N]`.
    pub fn update(&mut self, rewards: &[f64]) {
        let totals: Vec<f64> = rewards.iter().enumerate().map(|(env, &reward)| self.advance(env, reward)).collect();
        self.moments.update(&totals);
    }

    /// The discounted return of environment `env` with its next reward.
    fn advance(&mut self, env: usize, reward: f64) -> f64 {
        let total = &mut self.returns[env];
        *total = *total * self.gamma + reward;
        *total
    }

    /// The normalised reward.
    #[must_use]
    pub fn apply(&self, reward: f64) -> f64 {
        (reward / (self.moments.variance[0] + EPSILON).sqrt()).clamp(-self.clip, self.clip)
    }
}

/// A batch of environments with normalised observations and rewards, as Stable-Baselines3's `VecNormalize` has them.
/// Episode statistics are those of the raw rewards.
pub struct Normalize<V> {
    inner: V,
    observations: ObservationNormalizer,
    rewards: Option<RewardNormalizer>,
    /// Do the statistics learn from what they see?
    training: bool,
    batch: StepBatch,
    /// What the statistics learn from next.
    observed: Vec<f32>,
    returns: Vec<f64>,
}

/// The statistics, as they are saved.
#[derive(Serialize, Deserialize)]
struct Statistics {
    observations: ObservationNormalizer,
    rewards: Option<RewardNormalizer>,
    training: bool,
}

impl<V: VectorEnv> Normalize<V> {
    /// Around `inner`, with observations normalised, and rewards too if a discount is given for their returns. The
    /// environments are reset with seed 0.
    ///
    /// # Errors
    /// [`EnvError::Failed`] if one of them cannot be reset.
    pub fn new(inner: V, gamma: Option<f64>) -> Result<Self, EnvError> {
        let observations = ObservationNormalizer::new(inner.spec().observation_space.flat_len());
        let rewards = gamma.map(|gamma| RewardNormalizer::new(inner.num_envs(), gamma));
        Self::with_normalizers(inner, observations, rewards)
    }

    /// Around `inner`, with statistics that have been learnt elsewhere; those of rewards may be of another number of
    /// environments. The environments are reset with seed 0.
    ///
    /// # Errors
    /// [`EnvError::State`] if the statistics do not fit; [`EnvError::Failed`] if an environment cannot be reset.
    pub fn with_normalizers(
        mut inner: V,
        observations: ObservationNormalizer,
        mut rewards: Option<RewardNormalizer>,
    ) -> Result<Self, EnvError> {
        inner.set_autoreset(Autoreset::SameStep);
        if let Some(rewards) = &mut rewards {
            rewards.returns = vec![0.0; inner.num_envs()];
        }
        check(&inner, &observations, rewards.as_ref())?;
        let batch = inner.batch().clone();
        let (observed, returns) = (Vec::new(), Vec::new());
        let mut wrapped = Self { inner, observations, rewards, training: true, batch, observed, returns };
        wrapped.reset(0)?;
        Ok(wrapped)
    }

    /// Should the statistics learn from what they see, as they do by default? For evaluation they should not.
    pub fn set_training(&mut self, training: bool) {
        self.training = training;
    }

    /// The statistics of the observations.
    #[must_use]
    pub fn observation_normalizer(&self) -> &ObservationNormalizer {
        &self.observations
    }

    /// The statistics of the rewards, if they are normalised.
    #[must_use]
    pub fn reward_normalizer(&self) -> Option<&RewardNormalizer> {
        self.rewards.as_ref()
    }

    /// After a reset of all or some environments: the others are as they were.
    fn restarted(
        &mut self,
        outcome: Result<(), EnvError>,
        chosen: impl Fn(usize) -> bool,
    ) -> Result<&StepBatch, EnvError> {
        if matches!(outcome, Ok(()) | Err(EnvError::Failed { .. })) {
            self.learn_observations(&chosen);
            let raw = self.inner.batch();
            for env in (0..raw.rewards.len()).filter(|&env| chosen(env)) {
                self.batch.copy_row(raw, env);
                self.observations.apply(self.batch.observation_mut(env));
                if let Some(rewards) = &mut self.rewards {
                    rewards.returns[env] = 0.0;
                }
            }
        }
        outcome.map(|()| &self.batch)
    }

    /// Takes in the raw observations of valid rows.
    fn learn_observations(&mut self, chosen: impl Fn(usize) -> bool) {
        if !self.training {
            return;
        }
        let raw = self.inner.batch();
        let len = self.observations.moments.mean.len();
        self.observed.clear();
        let rows = raw.observations.chunks_exact(len).enumerate();
        for (_, row) in rows.filter(|&(env, _)| raw.valid[env] && chosen(env)) {
            self.observed.extend_from_slice(row);
        }
        self.observations.moments.update(&self.observed);
    }

    fn normalize_rewards(&mut self) {
        let Some(normalizer) = &mut self.rewards else { return };
        if self.training {
            self.returns.clear();
            for (env, reward) in self.batch.rewards.iter().enumerate().filter(|&(env, _)| self.batch.valid[env]) {
                self.returns.push(normalizer.advance(env, *reward));
            }
            normalizer.moments.update(&self.returns);
        }
        for reward in &mut self.batch.rewards {
            *reward = normalizer.apply(*reward);
        }
        for env in self.batch.ended() {
            normalizer.returns[env] = 0.0;
        }
    }
}

/// Refuses statistics that are not of these environments, or no statistics at all.
fn check<V: VectorEnv>(
    inner: &V,
    observations: &ObservationNormalizer,
    rewards: Option<&RewardNormalizer>,
) -> Result<(), EnvError> {
    let sound = |moments: &RunningMoments, len: usize, clip: f64| {
        let numbers = moments.mean.iter().chain(&moments.variance).chain([&moments.count]);
        moments.mean.len() == len
            && moments.variance.len() == len
            && moments.variance.iter().all(|&variance| variance >= 0.0)
            && numbers.into_iter().all(|number| number.is_finite())
            && clip > 0.0
    };
    let fits = sound(&observations.moments, inner.spec().observation_space.flat_len(), observations.clip)
        && rewards.is_none_or(|rewards| {
            sound(&rewards.moments, 1, rewards.clip)
                && rewards.returns.len() == inner.num_envs()
                && rewards.returns.iter().all(|total| total.is_finite())
                && (0.0..=1.0).contains(&rewards.gamma)
        });
    if fits {
        Ok(())
    } else {
        Err(EnvError::State { reason: "its statistics are of other environments, or of none".into() })
    }
}

impl<V: VectorEnv> VectorEnv for Normalize<V> {
    delegate::delegate! {
        to self.inner {
            fn spec(&self) -> &EnvSpec;
            fn num_envs(&self) -> usize;
            fn set_time_limit(&mut self, steps: Option<u32>);
        }
    }

    fn batch(&self) -> &StepBatch {
        &self.batch
    }

    /// Statistics over rows without a transition would be wrong, so this wrapper resets in the same step whatever it is
    /// told.
    fn set_autoreset(&mut self, _autoreset: Autoreset) {}

    fn reset(&mut self, seed: u64) -> Result<&StepBatch, EnvError> {
        let outcome = self.inner.reset(seed).map(|_| ());
        self.restarted(outcome, |_| true)
    }

    fn reset_each(&mut self, seeds: &[u64]) -> Result<&StepBatch, EnvError> {
        let outcome = self.inner.reset_each(seeds).map(|_| ());
        self.restarted(outcome, |_| true)
    }

    fn reset_where(&mut self, mask: &[bool]) -> Result<&StepBatch, EnvError> {
        let outcome = self.inner.reset_where(mask).map(|_| ());
        self.restarted(outcome, |env| mask[env])
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<&StepBatch, EnvError> {
        let outcome = self.inner.step(actions).map(|_| ());
        // If one environment fails, the others have been stepped all the same.
        if matches!(outcome, Ok(()) | Err(EnvError::Failed { .. })) {
            self.learn_observations(|_| true);
            self.batch.clone_from(self.inner.batch());
            self.observations.apply(&mut self.batch.observations);
            self.observations.apply(&mut self.batch.final_observations);
            self.normalize_rewards();
        }
        outcome.map(|()| &self.batch)
    }

    fn save(&self) -> Result<SavedEnvs, EnvError> {
        let statistics = Statistics {
            observations: self.observations.clone(),
            rewards: self.rewards.clone(),
            training: self.training,
        };
        self.inner.save()?.wrapped(&(statistics, &self.batch))
    }

    fn load(&mut self, saved: &SavedEnvs) -> Result<(), EnvError> {
        let (inner, (statistics, batch)): (_, (Statistics, StepBatch)) = saved.unwrapped()?;
        check(&self.inner, &statistics.observations, statistics.rewards.as_ref())?;
        if !batch.fits(self.num_envs(), self.spec().observation_space.flat_len()) {
            return Err(EnvError::State { reason: "its batch is of other environments".into() });
        }
        self.inner.load(&inner)?;
        self.observations = statistics.observations;
        self.rewards = statistics.rewards;
        self.training = statistics.training;
        self.batch = batch;
        Ok(())
    }
}
