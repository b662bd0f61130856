//! Rollouts that are collected while the policy is improved.

use std::{panic::resume_unwind, thread};

use burn::tensor::Device;
use burn_pg_envs::wrapper::{EpisodeStats, ObservationNormalizer};

use crate::{
    Error,
    device::Queue,
    kernel::{has_kernels, threads::with_threads},
    policy::Policy,
    source::{CollectContext, Episode, Experience, Source, copy_on_host},
    storage::{Misfit, Saved},
};

/// What a run reports of a source, as of the end of the rollout for the current update. The source itself may be a rollout
/// ahead.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub env_steps: u64,
    pub episodes: EpisodeStats,
    /// The episodes that ended in the rollout.
    pub ended: Vec<Episode>,
    pub normalizer: Option<ObservationNormalizer>,
}

impl Seen {
    pub fn of<P: Policy>(source: &impl Source<P>) -> Self {
        Self {
            env_steps: source.env_steps(),
            episodes: source.episodes().clone(),
            ended: source.ended_episodes().to_vec(),
            normalizer: source.observation_normalizer().cloned(),
        }
    }
}

/// A rollout for the next update, collected with the policy of one update before it.
pub(super) struct Ahead<P, S> {
    pub experience: Result<Experience<S>, Error>,
    pub seen: Seen,
    /// The policy that collected it, with autodiff.
    pub policy: P,
    /// The state of the source before it.
    pub before: Result<Saved, Misfit>,
}

impl<P: Policy, S: Send> Ahead<P, S> {
    /// Runs `improve`, and collects the next rollout with `policy` meanwhile. On the `flex` backend both use all threads, so they run
    /// one after the other.
    pub fn during<R>(
        source: &mut impl Source<P, Samples = S>,
        policy: P,
        context: &CollectContext<'_>,
        device: &Device,
        improve: impl FnOnce() -> R,
    ) -> (Self, R) {
        let before = source.save();
        let takes_turns = has_kernels(device);
        // A read of the weights during the update would wait for the update.
        let acting = match takes_turns {
            true => policy.valid(),
            false => copy_on_host(&policy.valid()).unwrap_or_else(|| policy.valid()),
        };
        let mut collect = move || {
            let experience = source.collect(&acting, context);
            (experience, Seen::of(source))
        };
        let ((experience, seen), improved) = if takes_turns {
            let improved = improve();
            (collect(), improved)
        } else {
            let (threads, queue) = (rayon::current_num_threads(), Queue::of_this_thread());
            thread::scope(|scope| {
                let ahead = scope.spawn(move || with_threads(threads, || queue.run(collect)));
                let improved = improve();
                (ahead.join().unwrap_or_else(|panic| resume_unwind(panic)), improved)
            })
        };
        (Self { experience, seen, policy, before }, improved)
    }
}
