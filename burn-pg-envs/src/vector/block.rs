//! Blocks of environments that are stepped independently of the rest of their batch.

use super::{
    Autoreset, StepBatch, VectorEnv,
    batch::Rows,
    parallel::step_one_by_one,
    slot::{Progress, Rules, Slot},
};
use crate::{Actions, Env, EnvError, EnvSpec};

/// Consecutive environments of a batch that are stepped independently of the others. Created by
/// [`VectorEnv::blocks`]; their steps are written to the rows of that batch.
pub trait EnvBlock: Send {
    /// Returns the index of the first environment of the block in the whole batch.
    fn first(&self) -> usize;

    /// Returns the rows that the last reset or step produced.
    fn view(&self) -> StepView<'_>;

    /// Takes one action in each environment of the block.
    ///
    /// # Errors
    /// As [`VectorEnv::step`]. The indices of environments are those in the whole batch.
    fn step(&mut self, actions: Actions<'_>) -> Result<(), EnvError>;
}

/// N consecutive rows of a [`StepBatch`], or all of them.
#[derive(Debug, Clone, Copy)]
pub struct StepView<'a> {
    /// Observations to act on next. Shape `[N, D]`.
    pub observations: &'a [f32],
    /// Rewards. Shape `[N]`.
    pub rewards: &'a [f64],
    /// Episodes that ended in a terminal state. Shape `[N]`.
    pub terminated: &'a [bool],
    /// Episodes that were cut off. Shape `[N]`.
    pub truncated: &'a [bool],
    /// True for rows that hold a transition, as [`StepBatch::valid`]. Shape `[N]`.
    pub valid: &'a [bool],
    /// True for actions that are possible next; empty if the environment has no masks. Shape `[N, M]`.
    pub action_masks: &'a [bool],
    /// Last observations of the episodes that ended in this step. Other rows hold old values. Shape `[N, D]`.
    pub final_observations: &'a [f32],
    /// Undiscounted sum of rewards of each episode that ended in this step, or else of the running one. Shape `[N]`.
    pub episode_returns: &'a [f64],
    /// Length in steps of each episode that ended in this step, or else of the running one. Shape `[N]`.
    pub episode_lengths: &'a [u32],
}

impl<'a> StepView<'a> {
    /// Returns the indices of the environments whose episode ended in this step, for either reason.
    pub fn ended(self) -> impl Iterator<Item = usize> + 'a {
        (0..self.rewards.len()).filter(move |&i| self.terminated[i] || self.truncated[i])
    }
}

macro_rules! view {
    ($rows:expr) => {{
        let rows = $rows;
        StepView {
            observations: &rows.observations,
            rewards: &rows.rewards,
            terminated: &rows.terminated,
            truncated: &rows.truncated,
            valid: &rows.valid,
            action_masks: &rows.action_masks,
            final_observations: &rows.final_observations,
            episode_returns: &rows.episode_returns,
            episode_lengths: &rows.episode_lengths,
        }
    }};
}

impl StepBatch {
    /// Returns all rows.
    #[must_use]
    pub fn view(&self) -> StepView<'_> {
        view!(self)
    }
}

/// A whole batch as one block.
pub struct WholeBatch<'a>(pub &'a mut dyn VectorEnv);

impl EnvBlock for WholeBatch<'_> {
    fn first(&self) -> usize {
        0
    }

    fn view(&self) -> StepView<'_> {
        self.0.batch().view()
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<(), EnvError> {
        self.0.step(actions).map(|_| ())
    }
}

/// Checks that `blocks` of `size` environments cover `num_envs` environments in order, with vectors of the right
/// lengths.
///
/// # Errors
/// [`EnvError::Contract`] if blocks are missing or misplaced; [`EnvError::BatchLen`] if a vector has the wrong length.
pub fn check_blocks(
    blocks: &[Box<dyn EnvBlock + '_>],
    spec: &EnvSpec,
    num_envs: usize,
    size: usize,
) -> Result<(), EnvError> {
    let broken = |reason| Err(EnvError::Contract { id: spec.id.clone(), reason });
    if blocks.len() != num_envs.div_ceil(size) {
        return broken(format!("{num_envs} environments are in {} blocks of {size}", blocks.len()));
    }
    for (block, first) in blocks.iter().zip((0..num_envs).step_by(size)) {
        if block.first() != first {
            return broken(format!("a block begins at environment {}, not at {first}", block.first()));
        }
        block.view().check(spec, size.min(num_envs - first))?;
    }
    Ok(())
}

/// A block of a [`VecEnv`](super::VecEnv).
pub(super) struct SlotBlock<'a, E> {
    spec: &'a EnvSpec,
    rules: Rules,
    first: usize,
    slots: &'a mut [Slot<E>],
    rows: Rows<'a>,
    /// True if an environment may have to be reset before the next step.
    may_wait: bool,
}

impl<'a, E: Env> SlotBlock<'a, E> {
    /// Cuts the slots and their rows into blocks of `size`.
    pub fn cut(
        spec: &'a EnvSpec,
        rules: Rules,
        slots: &'a mut [Slot<E>],
        batch: &'a mut StepBatch,
        size: usize,
    ) -> Vec<Box<dyn EnvBlock + 'a>> {
        let may_wait = rules.autoreset == Autoreset::Disabled;
        let mut rest = Rows::new(batch);
        let block = |slots: &'a mut [Slot<E>]| {
            let (mut rows, after) = std::mem::replace(&mut rest, Rows::none()).split_at(slots.len());
            rest = after;
            let first = std::mem::take(&mut rows.first);
            let may_wait = may_wait || slots.iter().any(|slot| slot.needs_reset(rules.autoreset));
            Box::new(SlotBlock { spec, rules, first, slots, rows, may_wait }) as Box<dyn EnvBlock>
        };
        slots.chunks_mut(size).map(block).collect()
    }
}

impl<E: Env> EnvBlock for SlotBlock<'_, E> {
    fn first(&self) -> usize {
        self.first
    }

    fn view(&self) -> StepView<'_> {
        view!(&self.rows)
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<(), EnvError> {
        actions.check_in_block(&self.spec.action_space, self.slots.len(), self.first)?;
        if self.may_wait
            && let Some(env) = self.slots.iter().position(|slot| slot.needs_reset(self.rules.autoreset))
        {
            return Err(EnvError::NeedsReset { env: self.first + env });
        }
        match step_one_by_one(self.slots, &mut self.rows, &actions, self.rules) {
            false => Ok(()),
            true => {
                self.may_wait = true;
                first_fault(self.slots, self.first)
            }
        }
    }
}

/// Returns the error of the first environment that has just failed, if any; `first` is the index of the first slot in
/// the whole batch. The faults of other environments are dropped; those environments must be reset as well.
#[cold]
pub(super) fn first_fault<E: Env>(slots: &mut [Slot<E>], first: usize) -> Result<(), EnvError> {
    let faults = slots.iter_mut().map(Slot::take_fault).enumerate().collect::<Vec<_>>();
    match faults.into_iter().find_map(|(i, fault)| Some((i, fault?))) {
        None => Ok(()),
        Some((i, fault)) => {
            let Progress { seed, steps, .. } = slots[i].progress;
            Err(EnvError::Failed { env: first + i, seed, steps, fault })
        }
    }
}
