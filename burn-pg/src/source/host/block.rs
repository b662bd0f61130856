//! Rollouts of a block of environments with a policy on the host, independent of the other blocks.

use std::time::{Duration, Instant};

use burn_pg_envs::{EnvBlock, EnvSpec};

use super::finite::check_row;
use crate::{
    Error,
    distribution::{ActionStream, Distribution},
    policy::{HostPolicy, HostWorkspace},
    source::{Episode, Rollout},
};

/// The record of a block of environments in a rollout. Its memory is reused for the next rollout.
pub(super) struct BlockRecord {
    pub rollout: Rollout,
    /// Episodes that have ended, in order.
    pub ended: Vec<Ended>,
    /// Final observations of truncated episodes. Shape `[rows, D]`.
    pub final_observations: Vec<f32>,
    /// Time spent in the environments and in the policy, if it is measured.
    pub env_time: Duration,
    pub inference_time: Duration,
    /// Steps taken.
    steps: usize,
    workspace: HostWorkspace,
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
    /// Converts it to an [`Episode`]. Its block has `num_envs` environments, of which the first is environment `first`.
    pub fn episode(&self, first: usize, num_envs: usize) -> Episode {
        let Self { row, episode_return, length, .. } = *self;
        Episode { env: first + row % num_envs, episode_return, length }
    }
}

/// Why a block stopped, and after how many of its steps.
pub(super) struct Failure {
    pub step: usize,
    /// True if the environments took the step that failed.
    pub stepped: bool,
    pub error: Box<Error>,
}

/// Everything needed to run a block.
pub(super) struct Run<'a, D> {
    pub policy: &'a HostPolicy<D>,
    pub spec: &'a EnvSpec,
    pub env: Box<dyn EnvBlock + 'a>,
    pub streams: &'a mut [ActionStream],
    /// True for environments in which the next step begins an episode.
    pub begins: &'a mut [bool],
    pub record: &'a mut BlockRecord,
    /// Environment steps before the rollout, and how many one step of all environments adds.
    pub env_steps: [u64; 2],
    /// True if time is measured.
    pub is_timed: bool,
}

/// Returns a sixteenth of the environments, so that there are blocks for several threads; at least 4, to make good use
/// of vector instructions, and at most 64, which stay in the processor's cache.
pub(crate) fn default_block_size(num_envs: usize) -> usize {
    num_envs.div_ceil(16).clamp(4, 64)
}

impl BlockRecord {
    pub fn new(spec: &EnvSpec, num_envs: usize) -> Self {
        Self {
            rollout: Rollout::of_spec(num_envs, spec),
            ended: Vec::new(),
            final_observations: Vec::new(),
            env_time: Duration::ZERO,
            inference_time: Duration::ZERO,
            steps: 0,
            workspace: HostWorkspace::new(&spec.action_space),
        }
    }

    fn clear(&mut self) {
        self.rollout.clear();
        self.ended.clear();
        self.final_observations.clear();
        (self.env_time, self.inference_time) = (Duration::ZERO, Duration::ZERO);
        self.steps = 0;
    }
}

impl<D: Distribution> Run<'_, D> {
    /// Takes `steps` steps in each environment.
    pub fn steps(mut self, steps: usize) -> Result<(), Failure> {
        self.record.clear();
        (0..steps).try_for_each(|step| {
            self.step()?;
            if step == 0 {
                self.record.rollout.reserve_steps(steps);
            }
            Ok(())
        })
    }

    /// Takes steps until each environment has ended an episode. The steps of its first episode are valid.
    pub fn episodes(mut self) -> Result<(), Failure> {
        self.record.clear();
        let mut playing = vec![true; self.streams.len()];
        while playing.contains(&true) {
            self.step()?;
            self.record.rollout.valid.extend_from_slice(&playing);
            for env in self.env.view().ended() {
                playing[env] = false;
            }
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), Failure> {
        let (step, start) = (self.record.steps, self.is_timed.then(Instant::now));
        let failed = |stepped| move |error| Failure { step, stepped, error: Box::new(error) };
        let between = self.act().map_err(failed(false))?;
        let outcome = self.env.step(self.record.workspace.actions().as_actions());
        self.env.view().check(self.spec, self.streams.len()).map_err(|error| failed(true)(error.into()))?;
        if let Err(error) = outcome {
            self.record_ended();
            return Err(failed(true)(error.into()));
        }
        self.record().map_err(failed(true))?;
        self.record.steps += 1;
        if let (Some(start), Some(between)) = (start, between) {
            self.record.inference_time += between - start;
            self.record.env_time += between.elapsed();
        }
        Ok(())
    }

    fn env_steps(&self) -> u64 {
        self.env_steps[0] + self.record.steps as u64 * self.env_steps[1]
    }

    /// Samples actions for the current observations into the workspace. Returns the time at which this was done, if
    /// time is measured.
    fn act(&mut self) -> Result<Option<Instant>, Error> {
        let (first, env_steps) = (self.env.first(), self.env_steps());
        let Self { policy, env, spec, streams, begins, record, .. } = self;
        let BlockRecord { rollout, workspace, .. } = &mut **record;
        let view = env.view();
        let width = view.observations.len() / streams.len();
        for (row, observation) in view.observations.chunks_exact(width).enumerate() {
            check_row(observation, &spec.observation_space, first + row, env_steps)?;
        }
        rollout.observations.extend(view.observations);
        rollout.action_masks.extend_from_slice(view.action_masks);
        rollout.begins.extend_from_slice(begins);
        let Rollout { actions, log_probs, .. } = rollout;
        policy.sample(view.observations, view.action_masks, streams, actions, log_probs, workspace).map_err(
            |source| {
                let source = source.in_rows_from(first);
                Error::Policy { update: None, env_steps, source }
            },
        )?;
        Ok(self.is_timed.then(Instant::now))
    }

    /// Records the outcome of the actions.
    fn record(&mut self) -> Result<(), Error> {
        self.record_ended();
        let env_steps = self.env_steps();
        let Self { env, spec, begins, record, .. } = self;
        let BlockRecord { rollout, final_observations, .. } = &mut **record;
        let view = env.view();
        let width = view.observations.len() / begins.len();
        #[allow(clippy::cast_possible_truncation)] // rewards are stored in single precision
        rollout.rewards.extend(view.rewards.iter().map(|&reward| reward as f32));
        rollout.terminated.extend_from_slice(view.terminated);
        rollout.truncated.extend_from_slice(view.truncated);
        begins.fill(false);
        for i in view.ended() {
            begins[i] = true;
            if !view.terminated[i] {
                let last = &view.final_observations[i * width..(i + 1) * width];
                check_row(last, &spec.observation_space, env.first() + i, env_steps)?;
                final_observations.extend_from_slice(last);
            }
        }
        Ok(())
    }

    /// Records the episodes that have just ended.
    fn record_ended(&mut self) {
        let view = self.env.view();
        let BlockRecord { rollout, ended, .. } = &mut *self.record;
        ended.extend(view.ended().map(|i| Ended {
            row: rollout.len() + i,
            truncated: !view.terminated[i],
            episode_return: view.episode_returns[i],
            length: view.episode_lengths[i],
        }));
    }
}

/// Returns the episodes that ended in the first `steps` steps of the blocks, in the order of their steps.
pub(super) fn ended_within(blocks: &[BlockRecord], steps: usize) -> Vec<Episode> {
    let (mut first, mut ended) = (0, Vec::new());
    for block in blocks {
        let num_envs = block.rollout.num_envs;
        let of_block = block.ended.iter().map(|one| (one.row / num_envs, one.episode(first, num_envs)));
        ended.extend(of_block.filter(|(step, _)| *step < steps));
        first += num_envs;
    }
    ended.sort_by_key(|(step, _)| *step);
    ended.into_iter().map(|(_, episode)| episode).collect()
}

/// Joins the rollouts of blocks of consecutive environments, step by step, and appends them to `whole`. Calls `ended`
/// for each episode that ended, in the order of rows, with its row in `whole` and, if it was truncated, its final
/// observation.
pub(super) fn join(
    blocks: &[BlockRecord],
    whole: &mut Rollout,
    observation_len: usize,
    mut ended: impl FnMut(Ended, Option<&[f32]>),
) {
    let num_envs = whole.num_envs;
    let Some(first_block) = blocks.first() else { return };
    whole.reserve_as(&first_block.rollout, first_block.steps * num_envs);
    let mut cursors = vec![(0, 0); blocks.len()];
    for step in 0..first_block.steps {
        let mut first = 0;
        for (block, (next_ended, next_final)) in blocks.iter().zip(&mut cursors) {
            let rows = step * block.rollout.num_envs..(step + 1) * block.rollout.num_envs;
            whole.append_rows(&block.rollout, rows.clone());
            while let Some(&one) = block.ended.get(*next_ended).filter(|one| one.row < rows.end) {
                *next_ended += 1;
                let observation = one.truncated.then(|| {
                    let observations = &block.final_observations[*next_final * observation_len..];
                    *next_final += 1;
                    &observations[..observation_len]
                });
                ended(Ended { row: step * num_envs + first + one.row - rows.start, ..one }, observation);
            }
            first += block.rollout.num_envs;
        }
    }
}
