//! The start and the progress of a run.

use super::Trainer;
use crate::{policy::Policy, source::Source};

impl<P: Policy, S: Source<P>> Trainer<P, S> {
    /// Records the origin of the initial weights.
    pub(crate) fn with_init_from(mut self, from: &str) -> Self {
        self.init_from = Some(from.into());
        self
    }

    /// Returns the origin of the initial weights, as given to
    /// [`Recipe::build_from`](crate::algorithm::Recipe::build_from); `None` if they were drawn from the seed.
    /// Checkpoints keep it.
    #[must_use]
    pub fn init_from(&self) -> Option<&str> {
        self.init_from.as_deref()
    }

    /// Returns the number of environment steps after which the run is over if every rollout has its maximum length:
    /// `total_steps` rounded down to whole rollouts.
    #[must_use]
    pub fn horizon(&self) -> u64 {
        self.config.run.total_steps - self.config.run.total_steps % self.longest_rollout
    }

    /// True if the run is over: another rollout might exceed `total_steps`, or the last 100 episodes reach
    /// `target_return`.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.env_steps() + self.longest_rollout > self.config.run.total_steps || self.reaches_target()
    }

    /// True if the mean return of the last 100 episodes is at least `target_return`.
    #[must_use]
    pub fn reaches_target(&self) -> bool {
        let (episodes, target) = (self.episodes(), self.config.run.target_return);
        episodes.count() >= 100 && target.zip(episodes.return_mean()).is_some_and(|(target, mean)| mean >= target)
    }
}
