//! Rollouts that are collected while the policy is improved.

use std::{panic::resume_unwind, thread};

use burn::tensor::Device;
use burn_pg_envs::wrapper::{EpisodeStats, ObservationNormalizer};

use crate::{
    Error,
    kernel::{has_kernels, threads::with_threads},
    policy::Policy,
    source::{CollectContext, Episode, Experience, Source},
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

/// A rollout for the next update, collected with the policy as it was before the current one.
pub(super) struct Ahead<P, S> {
    pub experience: Result<Experience<S>, Error>,
    pub seen: Seen,
    /// The policy that collected it.
    pub policy: P,
    /// The state of the source before it.
    pub before: Result<Saved, Misfit>,
}

impl<P: Policy, S: Send> Ahead<P, S> {
    /// Collects with `policy`, which has autodiff.
    fn collect(source: &mut impl Source<P, Samples = S>, policy: P, context: &CollectContext<'_>) -> Self {
        let before = source.save();
        let experience = source.collect(&policy.valid(), context);
        Self { experience, seen: Seen::of(source), policy, before }
    }

    /// Runs `improve`, and collects the next rollout meanwhile. On the `flex` backend both use all threads, so they run one
    /// after the other.
    pub fn during<R>(
        source: &mut impl Source<P, Samples = S>,
        policy: P,
        context: &CollectContext<'_>,
        device: &Device,
        improve: impl FnOnce() -> R,
    ) -> (Self, R) {
        if has_kernels(device) {
            let improved = improve();
            return (Self::collect(source, policy, context), improved);
        }
        let threads = rayon::current_num_threads();
        thread::scope(|scope| {
            let ahead = scope.spawn(move || with_threads(threads, || Self::collect(source, policy, context)));
            let improved = improve();
            (ahead.join().unwrap_or_else(|panic| resume_unwind(panic)), improved)
        })
    }
}
