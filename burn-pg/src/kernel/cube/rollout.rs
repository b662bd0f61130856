//! Rollouts: many steps of many environments in one launch.

use std::{marker::PhantomData, sync::Arc};

use burn_pg_envs::device::{DeviceEnv, DeviceTask, Random};
use cubecl::{client::Client, prelude::*};

use super::{
    buffer::Buffer,
    dense::{forward, stage},
    head::{DeviceHead, sample},
    network::{DeviceNetwork, Tile, odd},
};

/// Rows of the books of an environment behind its state: return and length of the current episode; number of episodes that
/// ended in this rollout, and the sums of their returns and lengths; what is not finite.
pub(crate) const BOOKS: usize = 6;

/// Set in a step's flags if it ended in a terminal state, or if it was cut off.
pub(super) const TERMINATED: u32 = 1;
pub(super) const TRUNCATED: u32 = 2;

/// What a rollout is compiled for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct RolloutPlan {
    pub actor: DeviceNetwork,
    pub head: DeviceHead,
    pub tile: Tile,
    /// Number of elements of a state.
    pub state: usize,
    /// The bits of the bounds of each component of an action, to which it is clipped or, if it is squashed, rescaled; empty if it
    /// has none.
    pub bounds: Vec<[u32; 2]>,
    /// True if actions are recorded as integers.
    pub integers: bool,
    /// Steps after which an episode is truncated; 0 for no limit.
    pub limit: u32,
}

/// The buffers of a rollout of T steps of N environments.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    /// State and books of each environment. Shape `[S + BOOKS, N]`.
    pub states: Buffer,
    /// Shape `[T * N, D]`.
    pub observations: Buffer,
    /// The observation after a step that was truncated, and after the last step. Shape `[T * N, D]`.
    pub finals: Buffer,
    /// Shape `[T * N, K]`.
    pub actions: Buffer,
    /// Shape `[T * N]`.
    pub log_probs: Buffer,
    /// Rewards, then flags. Shape `[2, T * N]`.
    pub outcomes: Buffer,
}

/// The steps of one launch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steps {
    pub num_envs: usize,
    /// The first step, and the number of steps.
    pub first: usize,
    pub count: usize,
    /// Number of steps of the whole rollout, T.
    pub total: usize,
    pub seed: u64,
    /// Number of steps of each environment before the rollout.
    pub before: u64,
}

/// The kernels of one kind of environment.
pub(crate) trait RolloutKernel: Send + Sync {
    /// Writes the first state of each environment.
    fn reset(&self, client: &Client, states: &Buffer, num_envs: usize, seed: u64);

    /// Plays some of the steps of a rollout.
    fn play(&self, client: &Client, parameters: &Buffer, recorded: &Recorded, steps: Steps, plan: &RolloutPlan);
}

/// Returns the kernels of `E`.
pub(crate) fn kernels_of<E: DeviceTask>() -> Arc<dyn RolloutKernel> {
    Arc::new(Kernels(PhantomData::<fn() -> E>))
}

struct Kernels<E>(PhantomData<fn() -> E>);

/// Threads that reset environments, in a workgroup.
const RESETS: u32 = 64;

impl<E: DeviceTask> RolloutKernel for Kernels<E> {
    fn reset(&self, client: &Client, states: &Buffer, num_envs: usize, seed: u64) {
        let count = grid(num_envs, RESETS);
        let [low, high] = words(seed);
        begin::launch::<E>(client, count, CubeDim::new_1d(RESETS), states.arg(), num_envs, low, high, E::STATE);
    }

    fn play(&self, client: &Client, parameters: &Buffer, recorded: &Recorded, steps: Steps, plan: &RolloutPlan) {
        let Recorded { states, observations, finals, actions, log_probs, outcomes } = recorded;
        let count = grid(steps.num_envs, plan.tile.rows as u32);
        let dim = CubeDim::new_1d(plan.tile.threads as u32);
        let ([seed_low, seed_high], [before_low, before_high]) = (words(steps.seed), words(steps.before));
        macro_rules! play {
            ($action:ty) => {
                rollout::launch::<E, $action>(
                    client,
                    count,
                    dim,
                    parameters.arg(),
                    states.arg(),
                    observations.arg(),
                    finals.arg(),
                    actions.arg(),
                    log_probs.arg(),
                    outcomes.arg(),
                    steps.num_envs,
                    steps.first,
                    steps.count,
                    steps.total,
                    seed_low,
                    seed_high,
                    before_low,
                    before_high,
                    plan.clone(),
                )
            };
        }
        match plan.integers {
            true => play!(i32),
            false => play!(f32),
        }
    }
}

/// Returns how many workgroups of `size` take `count` rows.
pub(super) fn workgroups(count: usize, size: u32) -> u32 {
    u32::try_from(count).expect("fewer than 2^32 rows").div_ceil(size)
}

/// Returns a grid of at least as many workgroups as [`workgroups`] says, within the limits of every adapter. Kernels leave out what
/// is beyond `count`.
pub(super) fn grid(count: usize, size: u32) -> CubeCount {
    /// Adapters take at least 65,535 workgroups in each dimension.
    const MOST: u32 = 1 << 15;
    let workgroups = workgroups(count, size);
    let across = workgroups.clamp(1, MOST);
    CubeCount::Static(across, workgroups.div_ceil(across), 1)
}

/// Returns the low and the high half.
#[allow(clippy::cast_possible_truncation)] // that is the point
fn words(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

/// The step number of the first reset in the streams of random numbers, which no later step reaches.
const FIRST_RESET: u32 = u32::MAX;

#[cube(launch)]
fn begin<E: DeviceEnv>(states: &mut [f32], num_envs: usize, seed_low: u32, seed_high: u32, #[comptime] len: usize) {
    let env = ABSOLUTE_POS;
    if env < num_envs {
        let mut random = Random::new(seed_low, seed_high, env as u32, FIRST_RESET, FIRST_RESET);
        let mut state = Array::<f32>::new(len);
        E::reset(&mut state, &mut random);
        #[unroll]
        for i in 0..len {
            states[i * num_envs + env] = state[i];
        }
        #[unroll]
        for i in 0..BOOKS {
            states[(len + i) * num_envs + env] = 0.0f32;
        }
    }
}

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn rollout<E: DeviceEnv, A: Numeric>(
    parameters: &[f32],
    states: &mut [f32],
    observations: &mut [f32],
    finals: &mut [f32],
    actions: &mut [A],
    log_probs: &mut [f32],
    outcomes: &mut [f32],
    num_envs: usize,
    first: usize,
    count: usize,
    total: usize,
    seed_low: u32,
    seed_high: u32,
    before_low: u32,
    before_high: u32,
    #[comptime] plan: RolloutPlan,
) {
    let tile = comptime!(plan.tile);
    let len = comptime!(plan.state);
    let inputs = comptime!(plan.actor.inputs());
    let mut memory = Shared::<[f32]>::new_slice(comptime!(plan.actor.memory));
    let mut weights = Shared::<[f32]>::new_slice(comptime!(if tile.staged { plan.actor.stage } else { 1 }));
    stage(parameters, &mut weights, comptime!(plan.actor.clone()), tile);

    // The first threads keep an environment each, in registers. Those beyond the last environment play without recording.
    let row = UNIT_POS as usize;
    let env = CUBE_POS * comptime!(tile.rows) + row;
    let keeps = row < comptime!(tile.rows);
    let records = keeps && env < num_envs;
    let place = min(env, num_envs - 1);
    let mut state = Array::<f32>::new(len);
    let mut books = Array::<f32>::new(BOOKS);
    if keeps {
        #[unroll]
        for i in 0..len {
            state[i] = states[i * num_envs + place];
        }
        #[unroll]
        for i in 0..BOOKS {
            books[i] = states[(len + i) * num_envs + place];
        }
    }
    if first == 0 {
        #[unroll]
        for i in 2..BOOKS {
            books[i] = 0.0f32;
        }
    }

    let mut observation = Array::<f32>::new(inputs);
    let mut action = Array::<f32>::new(comptime!(plan.head.components()));
    for t in 0..count {
        let step = first + t;
        let at = step * num_envs + place;
        if keeps {
            E::observe(&state, &mut observation);
            #[unroll]
            for d in 0..inputs {
                memory[row * comptime!(odd(inputs)) + d] = observation[d];
                if records {
                    observations[at * inputs + d] = observation[d];
                }
            }
        }
        sync_cube();
        forward(parameters, &weights, &mut memory, comptime!(plan.actor.clone()), tile);
        if keeps {
            let low = before_low + step as u32;
            let high = before_high + select(low < before_low, 1u32, 0u32);
            let mut random = Random::new(seed_low, seed_high, env as u32, low, high);
            let outputs_at = comptime!(plan.actor.last().output_at) + row * comptime!(odd(plan.actor.last().outputs));
            let log_prob =
                sample(parameters, &memory, outputs_at, &mut action, &mut random, comptime!(plan.head.clone()));
            if records {
                log_probs[at] = log_prob;
                #[unroll]
                for k in 0..comptime!(plan.head.components()) {
                    actions[at * comptime!(plan.head.components()) + k] = A::cast_from(action[k]);
                }
            }
            #[unroll]
            for k in 0..comptime!(plan.bounds.len()) {
                let low = comptime!(f32::from_bits(plan.bounds[k][0]));
                let high = comptime!(f32::from_bits(plan.bounds[k][1]));
                if comptime!(plan.head.squashes()) {
                    action[k] = f32::new(low) + (action[k].tanh() + 1.0f32) * f32::new(comptime!((high - low) / 2.0));
                } else {
                    action[k] = min(max(action[k], f32::new(low)), f32::new(high));
                }
            }
            let outcome = E::step(&mut state, &action, &mut random);
            books[0] += outcome.reward;
            books[1] += 1.0f32;
            let mut truncated = outcome.truncated;
            if comptime!(plan.limit > 0) {
                truncated = truncated || books[1] >= comptime!(plan.limit as f32);
            }
            let over = outcome.terminated || truncated;
            if records {
                outcomes[at] = outcome.reward;
                let flags = select(outcome.terminated, TERMINATED, 0u32) + select(truncated, TRUNCATED, 0u32);
                outcomes[total * num_envs + at] = f32::cast_from(flags);
            }
            if (truncated && !outcome.terminated) || (step + 1 == total && !over) {
                E::observe(&state, &mut observation);
                if records {
                    #[unroll]
                    for d in 0..inputs {
                        finals[at * inputs + d] = observation[d];
                    }
                }
            }
            if !(is_finite(outcome.reward) && is_finite(log_prob)) && books[5] == 0.0f32 {
                books[5] = f32::cast_from(step as u32 + 1);
            }
            if over {
                books[2] += 1.0f32;
                books[3] += books[0];
                books[4] += books[1];
                books[0] = 0.0f32;
                books[1] = 0.0f32;
                E::reset(&mut state, &mut random);
            }
        }
    }
    if records {
        #[unroll]
        for i in 0..len {
            states[i * num_envs + env] = state[i];
        }
        #[unroll]
        for i in 0..BOOKS {
            states[(len + i) * num_envs + env] = books[i];
        }
    }
}

/// True if a value is neither NaN nor infinite. Tests the bits: shading languages may compile comparisons as if there were no
/// such values.
#[cube]
pub(super) fn is_finite(value: f32) -> bool {
    (u32::reinterpret(value) & 0x7F80_0000u32) != 0x7F80_0000u32
}
