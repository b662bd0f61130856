//! Rollouts of a block of environments with a policy on the host, independent of the other blocks.

use std::time::{Duration, Instant};

use burn_pg_envs::{EnvBlock, EnvSpec};

use super::{
    endings::{Ended, Endings},
    finite::check_row,
};
use crate::{
    Error,
    distribution::{ActionStream, Distribution},
    policy::{HostPolicy, HostWorkspace},
    source::{Rollout, RolloutLength},
};

/// The record of a block of environments in a rollout. Its memory is reused for the next rollout.
pub(super) struct BlockRecord {
    pub rollout: Rollout,
    pub endings: Endings,
    /// Time spent in the environments and in the policy, if it is measured.
    pub env_time: Duration,
    pub inference_time: Duration,
    workspace: HostWorkspace,
}

/// Why a block stopped, and at which of its steps.
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
    /// Environment steps before the rollout, and the number that one step of all environments adds.
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
            endings: Endings::default(),
            env_time: Duration::ZERO,
            inference_time: Duration::ZERO,
            workspace: HostWorkspace::new(&spec.action_space),
        }
    }

    fn clear(&mut self) {
        self.rollout.clear();
        self.endings.clear();
        (self.env_time, self.inference_time) = (Duration::ZERO, Duration::ZERO);
    }
}

impl<D: Distribution> Run<'_, D> {
    /// Takes the steps of a rollout of this length.
    pub fn play(mut self, length: RolloutLength) -> Result<(), Failure> {
        self.record.clear();
        let mut playing = vec![true; self.streams.len()];
        while self.record.rollout.is_incomplete(length, &playing) {
            self.step()?;
            self.record.rollout.end_step(length, &mut playing, self.env.view());
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), Failure> {
        let (step, start) = (self.record.rollout.len() / self.streams.len(), self.is_timed.then(Instant::now));
        let failed = |stepped| move |error| Failure { step, stepped, error: Box::new(error) };
        let env_steps = self.env_steps[0] + step as u64 * self.env_steps[1];
        let between = self.act(env_steps).map_err(failed(false))?;
        let outcome = self.env.step(self.record.workspace.actions().as_actions());
        let Self { env, spec, begins, record, .. } = self;
        let (first, view, BlockRecord { rollout, endings, .. }) = (env.first(), env.view(), &mut **record);
        view.check(spec, begins.len()).map_err(|error| failed(true)(error.into()))?;
        endings.add(rollout.len(), view);
        outcome.map_err(|error| failed(true)(error.into()))?;
        let recorded = endings.record(rollout, view, begins, &spec.observation_space, first, env_steps);
        recorded.map_err(failed(true))?;
        if let (Some(start), Some(between)) = (start, between) {
            record.inference_time += between - start;
            record.env_time += between.elapsed();
        }
        Ok(())
    }

    /// Samples actions for the current observations into the workspace. Returns the time after sampling, if time is
    /// measured.
    fn act(&mut self, env_steps: u64) -> Result<Option<Instant>, Error> {
        let first = self.env.first();
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
        let sampled = policy.sample(view.observations, view.action_masks, streams, actions, log_probs, workspace);
        sampled.map_err(|source| Error::Policy { update: None, env_steps, source: source.in_rows_from(first) })?;
        Ok(self.is_timed.then(Instant::now))
    }
}

/// Returns the episodes that ended in the first `steps` steps of blocks of consecutive environments, with their rows in
/// the rollout of all `num_envs` environments, and in the order of these rows.
pub(super) fn ended_within(blocks: &[BlockRecord], steps: usize, num_envs: usize) -> Endings {
    let (mut first, mut all) = (0, Vec::new());
    for BlockRecord { rollout, endings, .. } in blocks {
        let size = rollout.num_envs;
        let mut finals = endings.observations.chunks_exact(rollout.observations.width());
        for &one in &endings.ended {
            let (step, env) = (one.row / size, one.row % size);
            let last = if one.truncated { finals.next() } else { None };
            all.push((Ended { row: step * num_envs + first + env, ..one }, last.unwrap_or_default()));
        }
        first += size;
    }
    all.retain(|(one, _)| one.row < steps * num_envs);
    all.sort_by_key(|(one, _)| one.row);
    let observations = all.iter().flat_map(|(_, last)| *last).copied().collect();
    Endings { ended: all.into_iter().map(|(one, _)| one).collect(), observations, states: Vec::new() }
}

/// Joins the rollouts of blocks of consecutive environments, step by step, and appends them to `whole`.
pub(super) fn join(blocks: &[BlockRecord], whole: &mut Rollout) {
    let Some(BlockRecord { rollout: first, .. }) = blocks.first() else { return };
    let steps = first.len() / first.num_envs;
    whole.reserve_as(first, steps * whole.num_envs);
    for step in 0..steps {
        for BlockRecord { rollout, .. } in blocks {
            whole.append_rows(rollout, step * rollout.num_envs..(step + 1) * rollout.num_envs);
        }
    }
}
