//! Filling a batch row by row, for environments that are stepped outside this crate.

use super::StepBatch;
use crate::{EnvError, Step};

impl StepBatch {
    /// Returns the observation of environment `env` for writing.
    ///
    /// # Panics
    /// If there is no such environment.
    pub fn observation_mut(&mut self, env: usize) -> &mut [f32] {
        row_mut(&mut self.observations, env, self.rewards.len())
    }

    /// Returns the action mask of environment `env` for writing; empty if actions are not masked.
    ///
    /// # Panics
    /// If there is no such environment.
    pub fn action_mask_mut(&mut self, env: usize) -> &mut [bool] {
        row_mut(&mut self.action_masks, env, self.rewards.len())
    }

    /// Checks that there is one seed, or one flag, for each environment.
    ///
    /// # Errors
    /// [`EnvError::MaskLen`]
    pub fn check_count(&self, given: usize) -> Result<(), EnvError> {
        let envs = self.rewards.len();
        if given == envs { Ok(()) } else { Err(EnvError::MaskLen { given, envs }) }
    }

    /// Clears the row of environment `env` for a reset. Write its observation and mask afterwards.
    ///
    /// # Panics
    /// If there is no such environment.
    pub fn begin(&mut self, env: usize) {
        self.observation_mut(env).fill(0.0);
        row_mut(&mut self.final_observations, env, self.rewards.len()).fill(0.0);
        self.action_mask_mut(env).fill(true);
        self.rewards[env] = 0.0;
        self.terminated[env] = false;
        self.truncated[env] = false;
        self.valid[env] = true;
        self.episode_returns[env] = 0.0;
        self.episode_lengths[env] = 0;
    }

    /// Records a step of environment `env` after its new observation has been written: reward, flags, and the return
    /// and length of its episode, which is truncated after `time_limit` steps.
    ///
    /// Returns true if the episode has ended. The observation has then been copied to the final observations: reset the
    /// environment and write the first observation of the next episode in its place.
    ///
    /// # Panics
    /// If there is no such environment.
    #[must_use = "an environment whose episode has ended is reset in the same step"]
    pub fn record(&mut self, env: usize, step: Step, time_limit: Option<u32>) -> bool {
        if self.terminated[env] || self.truncated[env] {
            (self.episode_returns[env], self.episode_lengths[env]) = (0.0, 0);
        }
        self.episode_returns[env] += step.reward;
        self.episode_lengths[env] += 1;
        self.rewards[env] = step.reward;
        self.terminated[env] = step.terminated;
        self.truncated[env] = step.truncated || time_limit.is_some_and(|limit| self.episode_lengths[env] >= limit);
        self.valid[env] = true;
        let ended = self.terminated[env] || self.truncated[env];
        if ended {
            let num_envs = self.rewards.len();
            let last = row_mut(&mut self.observations, env, num_envs);
            row_mut(&mut self.final_observations, env, num_envs).copy_from_slice(last);
        }
        ended
    }
}

fn row_mut<T>(column: &mut [T], row: usize, rows: usize) -> &mut [T] {
    let len = column.len() / rows;
    &mut column[row * len..(row + 1) * len]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EnvSpec, Space};

    #[test]
    fn a_recorded_episode_has_its_return_length_and_final_observation() {
        let spec = EnvSpec::new("Two-v0", Space::symmetric(&[9.0; 2]), Space::discrete(2));
        let mut batch = StepBatch::new(&spec, 2);
        let step = |reward| Step { reward, terminated: false, truncated: false };
        for (number, reward) in [(1.0, 0.5), (2.0, 0.25)] {
            batch.observation_mut(1).fill(number);
            let ended = batch.record(1, step(reward), Some(2));
            assert_eq!((ended, batch.truncated[1]), (number == 2.0, number == 2.0));
        }
        batch.observation_mut(1).fill(7.0);
        assert_eq!((batch.episode_returns[1], batch.episode_lengths[1]), (0.75, 2));
        assert_eq!(batch.final_observations, [0.0, 0.0, 2.0, 2.0]);
        assert_eq!(batch.observations, [0.0, 0.0, 7.0, 7.0]);
        assert!(batch.record(1, Step { terminated: true, ..step(3.0) }, Some(2)));
        assert_eq!((batch.episode_returns[1], batch.episode_lengths[1]), (3.0, 1), "the next episode");
        assert!(batch.terminated[1] && !batch.truncated[1]);
        batch.begin(1);
        assert_eq!(batch, StepBatch::new(&spec, 2));
    }
}
