//! The episodes that end in a rollout.

use burn::tensor::Tensor;
use burn_pg_envs::{Space, StepView};

use super::finite::check_row;
use crate::{
    Error,
    source::{Episode, Rollout},
};

/// Episodes that have ended within a rollout.
#[derive(Default)]
pub(in crate::source) struct Endings {
    /// The episodes, in the order of their last rows.
    pub ended: Vec<Ended>,
    /// Final observations of those that were truncated. Shape `[rows, D]`.
    pub observations: Vec<f32>,
    /// The recurrent states before the final observations, if the policy is recurrent. Shape `[1, M]` each.
    pub states: Vec<Tensor<2>>,
}

/// An episode that has ended in a rollout.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    /// Its last row in the rollout.
    pub row: usize,
    /// True if it was truncated.
    pub truncated: bool,
    pub episode_return: f64,
    pub length: u32,
}

impl Ended {
    /// Converts it to an [`Episode`], for a rollout of `num_envs` environments.
    pub fn episode(&self, num_envs: usize) -> Episode {
        let Self { row, episode_return, length, .. } = *self;
        Episode { env: row % num_envs, episode_return, length }
    }
}

impl Endings {
    pub fn clear(&mut self) {
        self.ended.clear();
        self.observations.clear();
        self.states.clear();
    }

    /// Adds the episodes that ended in a step whose first row is `first_row`.
    pub fn add(&mut self, first_row: usize, view: StepView<'_>) {
        self.ended.extend(view.ended().map(|i| Ended {
            row: first_row + i,
            truncated: !view.terminated[i],
            episode_return: view.episode_returns[i],
            length: view.episode_lengths[i],
        }));
    }

    /// Records the outcome of a step in `rollout`, and final observations here. `begins` becomes true for environments
    /// in which the next step begins an episode, or is no step but the reset before one. Errors use `first`, the index of the first environment, and
    /// `env_steps`, the number of environment steps before this one.
    pub fn record(
        &mut self,
        rollout: &mut Rollout,
        view: StepView<'_>,
        begins: &mut [bool],
        space: &Space,
        first: usize,
        env_steps: u64,
    ) -> Result<(), Error> {
        #[allow(clippy::cast_possible_truncation)] // rewards are stored in single precision
        rollout.rewards.extend(view.rewards.iter().map(|&reward| reward as f32));
        rollout.terminated.extend_from_slice(view.terminated);
        rollout.truncated.extend_from_slice(view.truncated);
        rollout.valid.extend_from_slice(view.valid);
        // A row without a transition was the reset of its environment.
        begins.iter_mut().zip(view.valid).for_each(|(begins, valid)| *begins = !valid);
        let width = view.observations.len() / begins.len();
        for i in view.ended() {
            begins[i] = true;
            if !view.terminated[i] {
                let last = &view.final_observations[i * width..(i + 1) * width];
                check_row(last, space, first + i, env_steps)?;
                self.observations.extend_from_slice(last);
            }
        }
        Ok(())
    }
}
