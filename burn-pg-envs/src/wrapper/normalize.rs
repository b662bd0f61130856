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
        for (total, reward) in self.returns.iter_mut().zip(rewards) {
            *total = *total * self.gamma + reward;
        }
        self.moments.update(&self.returns);
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
    pub fn new(mut inner: V, gamma: Option<f64>) -> Result<Self, EnvError> {
        inner.set_autoreset(Autoreset::SameStep);
        let len = inner.spec().observation_space.flat_len();
        let rewards = gamma.map(|gamma| RewardNormalizer::new(inner.num_envs(), gamma));
        let batch = inner.batch().clone();
        let mut wrapped = Self { inner, observations: ObservationNormalizer::new(len), rewards, training: true, batch };
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

    /// After a reset of all or some environments.
    fn restarted(&mut self, chosen: impl Fn(usize) -> bool) -> &StepBatch {
        if let Some(rewards) = &mut self.rewards {
            let returns = rewards.returns.iter_mut().enumerate();
            returns.filter(|(env, _)| chosen(*env)).for_each(|(_, total)| *total = 0.0);
        }
        self.batch.clone_from(self.inner.batch());
        self.normalize_observations();
        &self.batch
    }

    fn normalize_observations(&mut self) {
        if self.training {
            self.observations.moments.update(&self.batch.observations);
        }
        self.observations.apply(&mut self.batch.observations);
        self.observations.apply(&mut self.batch.final_observations);
    }

    fn normalize_rewards(&mut self) {
        if let Some(normalizer) = &mut self.rewards {
            if self.training {
                normalizer.update(&self.batch.rewards);
            }
            for reward in &mut self.batch.rewards {
                *reward = normalizer.apply(*reward);
            }
            for env in self.batch.ended() {
                normalizer.returns[env] = 0.0;
            }
        }
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
        self.inner.reset(seed)?;
        Ok(self.restarted(|_| true))
    }

    fn reset_each(&mut self, seeds: &[u64]) -> Result<&StepBatch, EnvError> {
        self.inner.reset_each(seeds)?;
        Ok(self.restarted(|_| true))
    }

    fn reset_where(&mut self, mask: &[bool]) -> Result<&StepBatch, EnvError> {
        self.inner.reset_where(mask)?;
        Ok(self.restarted(|env| mask[env]))
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<&StepBatch, EnvError> {
        self.batch.clone_from(self.inner.step(actions)?);
        self.normalize_observations();
        self.normalize_rewards();
        Ok(&self.batch)
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
        let len = self.spec().observation_space.flat_len();
        let seen = &statistics.observations.moments;
        let fits = seen.mean.len() == len
            && seen.variance.len() == len
            && statistics
                .rewards
                .as_ref()
                .is_none_or(|r| r.returns.len() == self.num_envs() && r.moments.variance.len() == 1)
            && batch.fits(self.num_envs(), len);
        if !fits {
            return Err(EnvError::State { reason: "its statistics are of other environments".into() });
        }
        self.inner.load(&inner)?;
        self.observations = statistics.observations;
        self.rewards = statistics.rewards;
        self.training = statistics.training;
        self.batch = batch;
        Ok(())
    }
}
