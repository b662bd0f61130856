//! Normalised observations and rewards.

use serde::{Deserialize, Serialize};

use crate::{
    Actions, Autoreset, EnvError, EnvSpec, Gather, SavedEnvs, Space, StepBatch, VectorEnv,
    normalizer::{ObservationNormalizer, RewardNormalizer, RunningMoments},
    render::Scene,
};

/// A batch of environments with normalised observations and rewards, like Stable-Baselines3's `VecNormalize`. Episode
/// returns are sums of the raw rewards.
pub struct Normalize<V> {
    inner: V,
    observations: Option<ObservationNormalizer>,
    rewards: Option<RewardNormalizer>,
    /// True if each reset and step updates the statistics.
    training: bool,
    batch: StepBatch,
    /// The moments of observations and rewards at the last exchange with other batches.
    exchanged: [Option<RunningMoments>; 2],
    /// Memory for the raw observations and the discounted returns of the next update of the statistics.
    observed: Vec<f32>,
    returns: Vec<f64>,
}

/// The saved form of the statistics.
#[derive(Serialize, Deserialize)]
struct Statistics {
    observations: Option<ObservationNormalizer>,
    rewards: Option<RewardNormalizer>,
    training: bool,
}

impl<V: VectorEnv> Normalize<V> {
    /// Wraps `inner` and normalises observations, and rewards too if `gamma`, the discount of their returns, is given.
    /// The statistics are updated in each reset and step. The environments are reset with seed 0.
    ///
    /// # Errors
    /// [`EnvError::Unsuited`] if observations are images or dictionaries; [`EnvError::Failed`] if an environment cannot
    /// be reset.
    pub fn new(inner: V, gamma: Option<f64>) -> Result<Self, EnvError> {
        let observations = ObservationNormalizer::new(inner.spec().observation_space.flat_len());
        let rewards = gamma.map(|gamma| RewardNormalizer::new(inner.num_envs(), gamma));
        let mut wrapped = Self::with_normalizers(inner, Some(observations), rewards)?;
        wrapped.training = true;
        wrapped.reset(0)?;
        Ok(wrapped)
    }

    /// Wraps `inner` with existing statistics of observations, rewards or both. Statistics of rewards may come from
    /// another number of environments. The statistics do not change unless [`set_training`](Self::set_training) enables
    /// it. The environments are reset with seed 0.
    ///
    /// # Errors
    /// [`EnvError::Unsuited`] if images or dictionaries are to be normalised, [`EnvError::State`] if the statistics do
    /// not fit, [`EnvError::Failed`] if an environment cannot be reset.
    pub fn with_normalizers(
        mut inner: V,
        observations: Option<ObservationNormalizer>,
        mut rewards: Option<RewardNormalizer>,
    ) -> Result<Self, EnvError> {
        // In the other modes, rows without a transition would distort the statistics.
        inner.set_autoreset(Autoreset::SameStep)?;
        if let Some(rewards) = &mut rewards {
            rewards.returns = vec![0.0; inner.num_envs()];
        }
        check(&inner, observations.as_ref(), rewards.as_ref())?;
        let batch = inner.checked_batch()?.clone();
        let (observed, returns, exchanged) = (Vec::new(), Vec::new(), [None, None]);
        let mut wrapped = Self { inner, observations, rewards, training: false, batch, exchanged, observed, returns };
        wrapped.begin_exchange();
        wrapped.reset(0)?;
        Ok(wrapped)
    }

    /// Sets whether resets and steps update the statistics. Turn it off for evaluation.
    pub fn set_training(&mut self, training: bool) {
        self.training = training;
    }

    /// Returns the statistics of the rewards, if rewards are normalised.
    #[must_use]
    pub fn reward_normalizer(&self) -> Option<&RewardNormalizer> {
        self.rewards.as_ref()
    }

    /// Takes the current moments as those of the last exchange.
    fn begin_exchange(&mut self) {
        let observations = self.observations.as_ref().map(|normalizer| normalizer.moments.clone());
        self.exchanged = [observations, self.rewards.as_ref().map(|normalizer| normalizer.moments.clone())];
    }

    /// Updates the statistics and the `chosen` rows after a reset of these environments.
    fn restarted(
        &mut self,
        outcome: Result<(), EnvError>,
        chosen: impl Fn(usize) -> bool,
    ) -> Result<&StepBatch, EnvError> {
        if matches!(outcome, Ok(()) | Err(EnvError::Failed { .. })) {
            self.inner.checked_batch()?;
            self.learn_observations(&chosen);
            let raw = self.inner.batch();
            for env in (0..raw.rewards.len()).filter(|&env| chosen(env)) {
                self.batch.copy_row(raw, env);
                if let Some(observations) = &self.observations {
                    observations.apply(self.batch.observation_mut(env));
                }
                if let Some(rewards) = &mut self.rewards {
                    rewards.returns[env] = 0.0;
                }
            }
        }
        outcome.map(|()| &self.batch)
    }

    /// Updates the statistics with the raw observations of valid rows.
    fn learn_observations(&mut self, chosen: impl Fn(usize) -> bool) {
        let (true, Some(observations)) = (self.training, &mut self.observations) else { return };
        let raw = self.inner.batch();
        let len = observations.moments.mean.len();
        self.observed.clear();
        let rows = raw.observations.chunks_exact(len).enumerate();
        for (_, row) in rows.filter(|&(env, _)| raw.valid[env] && chosen(env)) {
            self.observed.extend_from_slice(row);
        }
        observations.moments.update(&self.observed);
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

/// Refuses statistics that do not fit these environments, or are not finite or out of range.
fn check<V: VectorEnv>(
    inner: &V,
    observations: Option<&ObservationNormalizer>,
    rewards: Option<&RewardNormalizer>,
) -> Result<(), EnvError> {
    let space = &inner.spec().observation_space;
    if observations.is_some() && matches!(space, Space::Image { .. } | Space::Dict { .. }) {
        let need = "a box or a discrete space (the bytes of an image are scaled by the network, not normalised)";
        let (what, of) = ("normalised observations", "observation");
        return Err(EnvError::Unsuited { what, need, of, space: space.to_string() });
    }
    let len = space.flat_len();
    let fits = observations.is_none_or(|observations| observations.check(len).is_ok())
        && rewards.is_none_or(|rewards| {
            rewards.moments.is_sound(1)
                && rewards.clip > 0.0
                && rewards.clip.is_finite()
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
            fn render(&self, env: usize) -> Option<Scene>;
            fn set_time_limit(&mut self, steps: Option<u32>) -> Result<(), EnvError>;
        }
    }

    fn batch(&self) -> &StepBatch {
        &self.batch
    }

    fn observation_normalizer(&self) -> Option<&ObservationNormalizer> {
        self.observations.as_ref()
    }

    fn exchange_statistics(&mut self, gather: &mut Gather<'_>) {
        let [observations, rewards] = &mut self.exchanged;
        if let (Some(normalizer), Some(before)) = (&mut self.observations, observations) {
            normalizer.moments.exchange(before, gather);
        }
        if let (Some(normalizer), Some(before)) = (&mut self.rewards, rewards) {
            normalizer.moments.exchange(before, gather);
        }
        self.inner.exchange_statistics(gather);
    }

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

    fn restart(&mut self, env: usize, seed: u64) -> Result<&StepBatch, EnvError> {
        let outcome = self.inner.restart(env, seed).map(|_| ());
        self.restarted(outcome, |other| other == env)
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<&StepBatch, EnvError> {
        let outcome = self.inner.step(actions).map(|_| ());
        // If one environment fails, the others have been stepped all the same.
        if matches!(outcome, Ok(()) | Err(EnvError::Failed { .. })) {
            self.inner.checked_batch()?;
            self.learn_observations(|_| true);
            self.batch.copy_from(self.inner.batch());
            if let Some(observations) = &self.observations {
                observations.apply(&mut self.batch.observations);
                observations.apply(&mut self.batch.final_observations);
            }
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
        check(&self.inner, statistics.observations.as_ref(), statistics.rewards.as_ref())?;
        let fits = batch.check(self.spec(), self.num_envs());
        fits.map_err(|error| EnvError::State { reason: error.to_string() })?;
        self.inner.load(&inner)?;
        self.observations = statistics.observations;
        self.rewards = statistics.rewards;
        self.training = statistics.training;
        self.batch = batch;
        self.begin_exchange();
        Ok(())
    }
}
