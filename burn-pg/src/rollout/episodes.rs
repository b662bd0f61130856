//! Statistics of finished episodes.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Episodes that the running means look back on.
const RECENT: usize = 100;

/// How many episodes have ended, and how the last 100 of them went.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EpisodeStats {
    count: u64,
    /// Return and length, oldest first.
    recent: VecDeque<(f64, u32)>,
}

impl EpisodeStats {
    /// Adds an episode that has just ended.
    pub fn push(&mut self, episode_return: f64, length: u32) {
        self.count += 1;
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((episode_return, length));
    }

    /// Number of episodes that have ended.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Mean return of the last 100 episodes (or fewer), `None` before the first.
    #[must_use]
    pub fn return_mean(&self) -> Option<f64> {
        self.mean(|&(episode_return, _)| episode_return)
    }

    /// Mean length of the last 100 episodes (or fewer), in steps, `None` before the first.
    #[must_use]
    pub fn length_mean(&self) -> Option<f64> {
        self.mean(|&(_, length)| f64::from(length))
    }

    fn mean(&self, value: impl Fn(&(f64, u32)) -> f64) -> Option<f64> {
        let sum: f64 = self.recent.iter().map(value).sum();
        (!self.recent.is_empty()).then(|| sum / self.recent.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_means_look_back_on_a_hundred_episodes() {
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
