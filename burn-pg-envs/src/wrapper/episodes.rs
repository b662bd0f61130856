//! Statistics of finished episodes.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::{
    Actions, Autoreset, EnvError, EnvSpec, Gather, SavedEnvs, StepBatch, VectorEnv, normalizer::ObservationNormalizer,
    render::Scene,
};

/// Number of recent episodes that the means are taken over.
const RECENT: usize = 100;

/// The number of episodes that have ended, and the returns and lengths of the last 100.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpisodeStats {
    count: u64,
    /// Return and length, oldest first.
    recent: VecDeque<(f64, f64)>,
}

impl Default for EpisodeStats {
    /// Returns empty statistics, with memory for 100 episodes.
    fn default() -> Self {
        Self { count: 0, recent: VecDeque::with_capacity(RECENT) }
    }
}

impl EpisodeStats {
    /// Adds an episode that has just ended.
    pub fn push(&mut self, episode_return: f64, length: u32) {
        self.count = self.count.saturating_add(1);
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((episode_return, length.into()));
    }

    /// Adds `count` episodes that have just ended, of which only the sums of their returns and lengths are known. The means
    /// count each of them as an average one.
    pub fn push_many(&mut self, count: u64, return_sum: f64, length_sum: f64) {
        if count == 0 {
            return;
        }
        let mean = (return_sum / count as f64, length_sum / count as f64);
        self.count = self.count.saturating_add(count);
        let new = usize::try_from(count).map_or(RECENT, |count| count.min(RECENT));
        self.recent.drain(..(self.recent.len() + new).saturating_sub(RECENT));
        self.recent.extend(std::iter::repeat_n(mean, new));
    }

    /// Returns the number of episodes that have ended.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the mean return of the last 100 episodes (or fewer); `None` before the first.
    #[must_use]
    pub fn return_mean(&self) -> Option<f64> {
        self.mean(|&(episode_return, _)| episode_return)
    }

    /// Returns the mean length of the last 100 episodes (or fewer) in steps; `None` before the first.
    #[must_use]
    pub fn length_mean(&self) -> Option<f64> {
        self.mean(|&(_, length)| length)
    }

    fn mean(&self, value: impl Fn(&(f64, f64)) -> f64) -> Option<f64> {
        let sum: f64 = self.recent.iter().map(value).sum();
        (!self.recent.is_empty()).then(|| sum / self.recent.len() as f64)
    }
}

/// A batch of environments with statistics of the episodes that end in it.
pub struct RecordEpisodes<V> {
    inner: V,
    episodes: EpisodeStats,
}

impl<V: VectorEnv> RecordEpisodes<V> {
    /// Wraps `inner`, with empty statistics.
    #[must_use]
    pub fn new(inner: V) -> Self {
        Self { inner, episodes: EpisodeStats::default() }
    }

    /// Returns the statistics of all episodes that have ended so far. Resets do not clear them.
    #[must_use]
    pub fn episodes(&self) -> &EpisodeStats {
        &self.episodes
    }
}

impl<V: VectorEnv> VectorEnv for RecordEpisodes<V> {
    delegate::delegate! {
        to self.inner {
            fn spec(&self) -> &EnvSpec;
            fn num_envs(&self) -> usize;
            fn batch(&self) -> &StepBatch;
            fn observation_normalizer(&self) -> Option<&ObservationNormalizer>;
            fn render(&self, env: usize) -> Option<Scene>;
            fn set_autoreset(&mut self, autoreset: Autoreset) -> Result<(), EnvError>;
            fn exchange_statistics(&mut self, gather: &mut Gather<'_>);
            fn set_time_limit(&mut self, steps: Option<u32>) -> Result<(), EnvError>;
            fn reset(&mut self, seed: u64) -> Result<&StepBatch, EnvError>;
            fn reset_each(&mut self, seeds: &[u64]) -> Result<&StepBatch, EnvError>;
            fn reset_where(&mut self, mask: &[bool]) -> Result<&StepBatch, EnvError>;
            fn restart(&mut self, env: usize, seed: u64) -> Result<&StepBatch, EnvError>;
        }
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<&StepBatch, EnvError> {
        let outcome = self.inner.step(actions).map(|_| ());
        // If one environment fails, episodes of others may have ended in the same step.
        if matches!(outcome, Ok(()) | Err(EnvError::Failed { .. })) {
            let batch = self.inner.checked_batch()?;
            for env in batch.ended() {
                self.episodes.push(batch.episode_returns[env], batch.episode_lengths[env]);
            }
        }
        outcome.map(|()| self.inner.batch())
    }

    fn save(&self) -> Result<SavedEnvs, EnvError> {
        self.inner.save()?.wrapped(&self.episodes)
    }

    fn load(&mut self, saved: &SavedEnvs) -> Result<(), EnvError> {
        let (inner, episodes) = saved.unwrapped()?;
        self.inner.load(&inner)?;
        self.episodes = episodes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_cover_the_last_hundred_episodes() {
        let mut stats = EpisodeStats::default();
        assert_eq!(stats.return_mean(), None);
        for length in 1..=150 {
            stats.push(2.0 * f64::from(length), length);
        }
        assert_eq!(stats.count(), 150);
        assert_eq!(stats.length_mean(), Some(100.5));
        assert_eq!(stats.return_mean(), Some(201.0));
    }
}
