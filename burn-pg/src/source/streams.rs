//! The streams of random numbers of a run.
//!
//! All randomness that affects a result comes from these streams, on the host, so a seed gives the same results on
//! every device and with any number of threads. (Environments on a GPU have streams of their own there, and so have their actions
//! and the order of their samples.) Environment `i` of a run with seed `s` is seeded with `s + i`, as in
//! Gymnasium; the streams below are spawned from `s` and are independent of the environments' streams.

use burn_pg_envs::{EnvRng, SeedSequence};

use crate::distribution::ActionStream;

const ACTIONS: u32 = 1;
const SHUFFLE: u32 = 2;
const WEIGHTS: u32 = 3;
const EVALUATION: u32 = 4;
const RESTARTS: u32 = 5;
const INITIALISERS: u32 = 6;
const EPISODES: u32 = 7;
const SELECTION: u32 = 8;

/// Returns one stream per environment, to sample its actions from. The environments are counted from `first`.
pub(crate) fn actions(seed: u64, first: usize, num_envs: usize) -> Vec<ActionStream> {
    (0..).skip(first).take(num_envs).map(|env| EnvRng::stream(seed, &[ACTIONS, env]).into()).collect()
}

/// The stream that shuffles minibatches.
pub(crate) fn shuffle(seed: u64) -> EnvRng {
    EnvRng::stream(seed, &[SHUFFLE])
}

/// The stream that initialises weights.
pub(crate) fn weights(seed: u64) -> EnvRng {
    EnvRng::stream(seed, &[WEIGHTS])
}

/// The seed of the device's own generator, from which Burn's initialisers draw.
pub(crate) fn initialisers(seed: u64) -> u64 {
    let [first] = SeedSequence::stream(seed, &[INITIALISERS]).generate();
    first
}

/// The seed of the new stream that an environment gets after a failure, at the `restart`-th restart of a run.
pub(crate) fn restart_seed(seed: u64, restart: u32) -> u64 {
    let [first] = SeedSequence::stream(seed, &[RESTARTS, restart]).generate();
    first
}

/// The seed of new episodes after `env_steps`, for environments that cannot reset without a new seed.
pub(crate) fn episodes_seed(seed: u64, env_steps: u64, restarts: u32) -> u64 {
    #[allow(clippy::cast_possible_truncation)] // the halves of the counter
    let [low, high] = [env_steps as u32, (env_steps >> 32) as u32];
    let [first] = SeedSequence::stream(seed, &[EPISODES, low, high, restarts]).generate();
    first
}

/// Returns the seed for the [evaluations](crate::evaluate) that choose the best checkpoint of a run with the seed
/// `seed`. All checkpoints of the run play the same episodes. An evaluation with `seed` itself plays other episodes,
/// because the return of the best of many checkpoints is too high on the episodes by which it was chosen.
#[must_use]
pub fn selection_seed(seed: u64) -> u64 {
    let [first] = SeedSequence::stream(seed, &[SELECTION]).generate();
    first
}

/// The seed of evaluation episodes: far from the seeds of the training environments.
pub(crate) fn evaluation_seed(seed: u64) -> u64 {
    let [first] = SeedSequence::stream(seed, &[EVALUATION]).generate();
    first
}
