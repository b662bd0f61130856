//! Collecting a rollout with a policy on the host: blocks of environments, each on a thread of its own.

use std::time::{Duration, Instant};

use burn_pg_envs::{EnvBlock, WholeBatch, check_blocks};

use super::{Collector, endings::Endings};
use crate::{
    Error,
    distribution::Distribution,
    kernel::threads::map,
    policy::HostPolicy,
    profile::{self, Phase, during},
    source::{
        RolloutLength,
        host::block::{BlockRecord, Failure, Run, ended_within, join},
    },
};

impl Collector {
    /// Collects a rollout in blocks of environments on several threads, and joins their records.
    pub(super) fn play_on_host<D: Distribution>(
        &mut self,
        policy: &HostPolicy<D>,
        endings: &mut Endings,
    ) -> Result<(), Error> {
        let (num_envs, spec) = (self.rollout.num_envs, self.envs.spec().clone());
        // One block if the environments cannot be split, or if they must wait for each other's episodes to end.
        let size = match self.length {
            RolloutLength::Steps(_) if self.envs.blocks(self.block_size).is_some() => self.block_size.min(num_envs),
            _ => num_envs,
        };
        if self.blocks.first().is_none_or(|block| block.rollout.num_envs != size) {
            let sizes = (0..num_envs).step_by(size).map(|first| size.min(num_envs - first));
            self.blocks = sizes.map(|size| BlockRecord::new(&spec, size)).collect();
        }
        let envs: Vec<Box<dyn EnvBlock>> = match size < num_envs {
            true => self.envs.blocks(size).expect("there were blocks before"),
            false => vec![Box::new(WholeBatch(&mut *self.envs))],
        };
        check_blocks(&envs, &spec, num_envs, size)?;
        let recurrent = self.recurrent.as_mut().expect("the recurrent state is created before the first step");
        let parts = self.streams.chunks_mut(size).zip(recurrent.begins.chunks_mut(size)).zip(&mut self.blocks);
        let env_steps = [self.env_steps, num_envs as u64];
        let runs: Vec<(HostPolicy<D>, _)> = envs.into_iter().zip(parts).map(|part| (policy.clone(), part)).collect();
        let (length, start) = (self.length, profile::is_measured().then(Instant::now));
        let run = |(policy, (env, ((streams, begins), record)))| {
            let (policy, spec, is_timed) = (&policy, &spec, start.is_some());
            Run { policy, spec, env, streams, begins, record, env_steps, is_timed }.play(length)
        };
        let outcomes: Vec<Result<(), Failure>> = map(runs, run);
        if let Some(start) = start {
            // The elapsed time, divided in proportion to the time that all threads spent on each phase.
            let of_threads = |time: fn(&BlockRecord) -> Duration| self.blocks.iter().map(time).sum::<Duration>();
            let (env, inference) = (of_threads(|block| block.env_time), of_threads(|block| block.inference_time));
            // (Both are 0 if the first step fails.)
            let share = env.as_secs_f64() / (env + inference).as_secs_f64().max(f64::MIN_POSITIVE);
            profile::add(Phase::Environment, start.elapsed().mul_f64(share));
            profile::add(Phase::Inference, start.elapsed().mul_f64(1.0 - share));
        }
        // Reports the failure at the earliest step, as if all environments were stepped together; within a step, that
        // of the first block.
        let failures = outcomes.into_iter().filter_map(Result::err);
        if let Some(Failure { step, stepped, error }) = failures.min_by_key(|failure| failure.step) {
            self.env_steps += (step * num_envs) as u64;
            *endings = ended_within(&self.blocks, step + usize::from(stepped), num_envs);
            return Err(*error);
        }
        during(Phase::Environment, || {
            join(&self.blocks, &mut self.rollout);
            *endings = ended_within(&self.blocks, self.rollout.len() / num_envs, num_envs);
        });
        self.env_steps += self.rollout.len() as u64;
        Ok(())
    }
}
