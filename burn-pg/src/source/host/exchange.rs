//! What the collectors of several ranks tell each other after a rollout.

use super::{Collector, endings::Ended};
use crate::{ranks::Topic, source::Episode};

/// Numbers of an episode that has ended: its step in the rollout, environment, return and length.
const NUMBERS: usize = 4;

impl Collector {
    /// Makes the steps, the episodes and the statistics of the environments those of all ranks. `before` is the number of
    /// steps before the rollout, and `ended` has the episodes that ended in it.
    pub(super) fn exchange(&mut self, before: u64, ended: &[Ended]) {
        self.ended.clear();
        let num_envs = self.envs.num_envs();
        if self.ranks.is_alone() {
            self.ended.extend(ended.iter().map(|ended| ended.episode(num_envs)));
        } else {
            let numbers = |ended: &Ended| {
                let Episode { env, episode_return, length } = ended.episode(num_envs);
                [(ended.row / num_envs) as f64, (self.first + env) as f64, episode_return, length.into()]
            };
            let steps = (self.env_steps - before) as f64;
            let numbers: Vec<f64> = [steps].into_iter().chain(ended.iter().flat_map(numbers)).collect();
            self.env_steps = before;
            // After a failure there are none, and the run ends.
            let all = self.ranks.gather(Topic::Rollout, &numbers).unwrap_or_default();
            self.add(&all);
            let ranks = &self.ranks;
            self.envs.exchange_statistics(&mut |numbers| ranks.gather(Topic::Statistics, numbers));
        }
        for Episode { episode_return, length, .. } in &self.ended {
            self.episodes.push(*episode_return, *length);
        }
    }

    /// Adds the steps and the episodes of all ranks.
    fn add(&mut self, all: &[Vec<f64>]) {
        let mut episodes = Vec::new();
        for of_rank in all {
            let Some((steps, of_episodes)) = of_rank.split_first() else { continue };
            self.env_steps += whole(*steps) as u64;
            for numbers in of_episodes.chunks_exact(NUMBERS) {
                let length = u32::try_from(whole(numbers[3])).unwrap_or(u32::MAX);
                let episode = Episode { env: whole(numbers[1]), episode_return: numbers[2], length };
                episodes.push((whole(numbers[0]), episode));
            }
        }
        // In the order in which one rank would have seen them.
        episodes.sort_by_key(|(step, episode)| (*step, episode.env));
        self.ended.extend(episodes.into_iter().map(|(_, episode)| episode));
    }
}

/// A whole number that was sent as a floating-point number.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // it is one
fn whole(number: f64) -> usize {
    number as usize
}
