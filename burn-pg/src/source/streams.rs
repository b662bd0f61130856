//! Which stream of random numbers serves what.
//!
//! All randomness that decides a result comes from these, on the host, so that a seed means the same on every device
//! and with any number of threads. Environment `i` of a run with seed `s` is seeded with `s + i`, as in Gymnasium; the
//! streams below are spawned from `s` and independent of those.

use burn_pg_envs::{EnvRng, SeedSequence};

use crate::distribution::ActionStream;

const ACTIONS: u32 = 1;
const SHUFFLE: u32 = 2;
const WEIGHTS: u32 = 3;
const EVALUATION: u32 = 4;
const RESTARTS: u32 = 5;
const INITIALISERS: u32 = 6;
const EPISODES: u32 = 7;

/// One stream an environment, to sample its actions from.
pub(crate) fn actions(seed: u64, num_envs: usize) -> Vec<ActionStream> {
    (0..).take(num_envs).map(|env| EnvRng::stream(seed, &[ACTIONS, env]).into()).collect()
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

/// The seed of an environment that is given a new stream after a failure, for the `restart`-th time in a run.
pub(crate) fn restart_seed(seed: u64, restart: u32) -> u64 {
    let [first] = SeedSequence::stream(seed, &[RESTARTS, restart]).generate();
    first
}

/// The seed of new episodes after `env_steps`, in environments that cannot begin them in their streams as they are.
pub(crate) fn episodes_seed(seed: u64, env_steps: u64, restarts: u32) -> u64 {
    #[allow(clippy::cast_possible_truncation)] // the halves of the counter
    let [low, high] = [env_steps as u32, (env_steps >> 32) as u32];
    let [first] = SeedSequence::stream(seed, &[EPISODES, low, high, restarts]).generate();
    first
}

/// The seed of evaluation episodes: far from the seeds of the training environments.
pub(crate) fn evaluation_seed(seed: u64) -> u64 {
    let [first] = SeedSequence::stream(seed, &[EVALUATION]).generate();
    first
}
