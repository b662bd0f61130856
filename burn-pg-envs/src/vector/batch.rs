//! The result of one step of a batch of environments.

use serde::{Deserialize, Serialize};

use crate::EnvSpec;

/// The result of one step of a batch of N environments. The next step reuses its memory.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StepBatch {
    /// Observations to act on next. Shape `[N, D]`, row-major.
    pub observations: Vec<f32>,
    /// Rewards. Shape `[N]`.
    pub rewards: Vec<f64>,
    /// Episodes that ended in a terminal state. Shape `[N]`.
    pub terminated: Vec<bool>,
    /// Episodes that were cut off, by the time limit or by the environment. Shape `[N]`.
    pub truncated: Vec<bool>,
    /// True for rows that hold a transition. Do not learn from the others: either
    /// [`Autoreset::NextStep`](super::Autoreset::NextStep) has reset the environment in place of a step and ignored the
    /// action, or the environment has failed and all values of the row are 0. Shape `[N]`.
    pub valid: Vec<bool>,
    /// True for actions that are possible next; empty if the environment has no masks. Shape `[N, M]`.
    #[serde(default)]
    pub action_masks: Vec<bool>,
    /// Last observations of the episodes that ended in this step. Other rows hold old values. Shape `[N, D]`.
    pub final_observations: Vec<f32>,
    /// Undiscounted sum of rewards of each episode that ended in this step, or else of the running one. Shape `[N]`.
    pub episode_returns: Vec<f64>,
    /// Length in steps of each episode that ended in this step, or else of the running one. Shape `[N]`.
    pub episode_lengths: Vec<u32>,
}

impl StepBatch {
    /// Creates the batch of `num_envs` environments before their first reset: all values 0, all actions possible.
    #[must_use]
    pub fn new(spec: &EnvSpec, num_envs: usize) -> Self {
        let RowLens { observation, mask, .. } = RowLens::of(spec);
        Self {
            observations: vec![0.0; num_envs * observation],
            action_masks: vec![true; num_envs * mask],
            rewards: vec![0.0; num_envs],
            terminated: vec![false; num_envs],
            truncated: vec![false; num_envs],
            valid: vec![true; num_envs],
            final_observations: vec![0.0; num_envs * observation],
            episode_returns: vec![0.0; num_envs],
            episode_lengths: vec![0; num_envs],
        }
    }

    /// Returns the indices of the environments whose episode ended in this step, for either reason.
    pub fn ended(&self) -> impl Iterator<Item = usize> + '_ {
        self.view().ended()
    }

    /// Copies another batch into the memory of this one.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.observations.clone_from(&other.observations);
        self.rewards.clone_from(&other.rewards);
        self.terminated.clone_from(&other.terminated);
        self.truncated.clone_from(&other.truncated);
        self.valid.clone_from(&other.valid);
        self.action_masks.clone_from(&other.action_masks);
        self.final_observations.clone_from(&other.final_observations);
        self.episode_returns.clone_from(&other.episode_returns);
        self.episode_lengths.clone_from(&other.episode_lengths);
    }

    /// Copies row `env` of another batch of the same size.
    pub(crate) fn copy_row(&mut self, other: &Self, env: usize) {
        let len = self.observations.len() / self.rewards.len();
        let columns = env * len..(env + 1) * len;
        self.observations[columns.clone()].copy_from_slice(&other.observations[columns.clone()]);
        self.final_observations[columns.clone()].copy_from_slice(&other.final_observations[columns]);
        let mask_len = self.action_masks.len() / self.rewards.len();
        let flags = env * mask_len..(env + 1) * mask_len;
        self.action_masks[flags.clone()].copy_from_slice(&other.action_masks[flags]);
        self.rewards[env] = other.rewards[env];
        self.terminated[env] = other.terminated[env];
        self.truncated[env] = other.truncated[env];
        self.valid[env] = other.valid[env];
        self.episode_returns[env] = other.episode_returns[env];
        self.episode_lengths[env] = other.episode_lengths[env];
    }
}

/// One row of a [`StepBatch`].
pub(super) struct Row<'a> {
    pub observation: &'a mut [f32],
    pub final_observation: &'a mut [f32],
    pub reward: &'a mut f64,
    pub terminated: &'a mut bool,
    pub truncated: &'a mut bool,
    pub valid: &'a mut bool,
    pub episode_return: &'a mut f64,
    pub episode_length: &'a mut u32,
}

impl Row<'_> {
    fn clear(self) {
        self.observation.fill(0.0);
        self.final_observation.fill(0.0);
        *self.reward = 0.0;
        *self.terminated = false;
        *self.truncated = false;
        *self.valid = false;
        *self.episode_return = 0.0;
        *self.episode_length = 0;
    }
}

/// Lengths of the observation, the action mask and the action of one environment.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowLens {
    pub observation: usize,
    pub mask: usize,
    pub action: usize,
}

impl RowLens {
    pub fn of(spec: &EnvSpec) -> Self {
        Self {
            observation: spec.observation_space.flat_len(),
            mask: spec.mask_len(),
            action: spec.action_space.flat_len(),
        }
    }
}

/// Consecutive rows of a whole batch or of a part of one.
pub(super) trait Columns {
    /// Returns row `i`, without its action mask.
    fn row(&mut self, i: usize, lens: RowLens) -> Row<'_>;

    /// Returns the action mask of row `i`. Not part of [`row`](Self::row), because most environments have no masks.
    fn mask(&mut self, i: usize, lens: RowLens) -> &mut [bool];

    /// Clears row `i`.
    fn clear(&mut self, i: usize, lens: RowLens) {
        self.row(i, lens).clear();
        self.mask(i, lens).fill(true);
    }
}

/// Implements [`Columns`] for a type whose columns are named like those of [`StepBatch`].
macro_rules! columns {
    ($rows:ty) => {
        impl Columns for $rows {
            #[inline]
            fn row(&mut self, i: usize, RowLens { observation: len, .. }: RowLens) -> Row<'_> {
                let columns = i * len..(i + 1) * len;
                Row {
                    observation: &mut self.observations[columns.clone()],
                    final_observation: &mut self.final_observations[columns],
                    reward: &mut self.rewards[i],
                    terminated: &mut self.terminated[i],
                    truncated: &mut self.truncated[i],
                    valid: &mut self.valid[i],
                    episode_return: &mut self.episode_returns[i],
                    episode_length: &mut self.episode_lengths[i],
                }
            }

            #[inline]
            fn mask(&mut self, i: usize, RowLens { mask: len, .. }: RowLens) -> &mut [bool] {
                &mut self.action_masks[i * len..(i + 1) * len]
            }
        }
    };
}

columns!(StepBatch);
columns!(Rows<'_>);

/// Consecutive rows of a [`StepBatch`], written by one of several tasks.
pub(super) struct Rows<'a> {
    /// Index of the first row in the whole batch.
    pub first: usize,
    pub observations: &'a mut [f32],
    pub rewards: &'a mut [f64],
    pub terminated: &'a mut [bool],
    pub truncated: &'a mut [bool],
    pub valid: &'a mut [bool],
    pub final_observations: &'a mut [f32],
    pub action_masks: &'a mut [bool],
    pub episode_returns: &'a mut [f64],
    pub episode_lengths: &'a mut [u32],
}

impl<'a> Rows<'a> {
    /// Returns all rows of `batch`.
    pub fn new(batch: &'a mut StepBatch) -> Self {
        Self {
            first: 0,
            observations: &mut batch.observations,
            rewards: &mut batch.rewards,
            terminated: &mut batch.terminated,
            truncated: &mut batch.truncated,
            valid: &mut batch.valid,
            final_observations: &mut batch.final_observations,
            action_masks: &mut batch.action_masks,
            episode_returns: &mut batch.episode_returns,
            episode_lengths: &mut batch.episode_lengths,
        }
    }

    /// Returns no rows.
    pub fn none() -> Self {
        Self {
            first: 0,
            observations: &mut [],
            rewards: &mut [],
            terminated: &mut [],
            truncated: &mut [],
            valid: &mut [],
            final_observations: &mut [],
            action_masks: &mut [],
            episode_returns: &mut [],
            episode_lengths: &mut [],
        }
    }

    /// Returns the rows before `middle` and the rows from `middle` on.
    pub fn split_at(self, middle: usize) -> (Self, Self) {
        let columns = self.observations.len() / self.rewards.len().max(1) * middle;
        let (observations, observations_after) = self.observations.split_at_mut(columns);
        let flags = self.action_masks.len() / self.rewards.len().max(1) * middle;
        let (action_masks, action_masks_after) = self.action_masks.split_at_mut(flags);
        let (rewards, rewards_after) = self.rewards.split_at_mut(middle);
        let (terminated, terminated_after) = self.terminated.split_at_mut(middle);
        let (truncated, truncated_after) = self.truncated.split_at_mut(middle);
        let (valid, valid_after) = self.valid.split_at_mut(middle);
        let (final_observations, final_observations_after) = self.final_observations.split_at_mut(columns);
        let (episode_returns, episode_returns_after) = self.episode_returns.split_at_mut(middle);
        let (episode_lengths, episode_lengths_after) = self.episode_lengths.split_at_mut(middle);
        let before = Self {
            first: self.first,
            observations,
            rewards,
            terminated,
            truncated,
            valid,
            final_observations,
            action_masks,
            episode_returns,
            episode_lengths,
        };
        let after = Self {
            first: self.first + middle,
            observations: observations_after,
            rewards: rewards_after,
            terminated: terminated_after,
            truncated: truncated_after,
            valid: valid_after,
            final_observations: final_observations_after,
            action_masks: action_masks_after,
            episode_returns: episode_returns_after,
            episode_lengths: episode_lengths_after,
        };
        (before, after)
    }
}
