//! Recorded steps of an environment, for checks.

use burn_pg_envs::device::{DeviceEnv, DeviceTask, Random};
use cubecl::{client::Client, prelude::*};

use super::{
    buffer::Buffer,
    rollout::{TERMINATED, TRUNCATED, workgroups},
};

const THREADS: u32 = 64;

/// Plays T steps of N environments with given actions (shape `[T, N, K]`). Writes the state before each step (shape `[T, N, S]`),
/// and the observation after it, followed by reward and flags (shape `[T, N, D + 2]`).
pub(crate) fn trace<E: DeviceTask>(
    client: &Client,
    actions: &Buffer,
    states: &Buffer,
    outcomes: &Buffer,
    [steps, num_envs]: [usize; 2],
    [inputs, components]: [usize; 2],
) {
    let count = CubeCount::Static(workgroups(num_envs, THREADS), 1, 1);
    let [actions, states, outcomes] = [actions, states, outcomes].map(Buffer::arg);
    let dim = CubeDim::new_1d(THREADS);
    play::launch::<E>(client, count, dim, actions, states, outcomes, steps, num_envs, E::STATE, inputs, components);
}

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn play<E: DeviceEnv>(
    actions: &[f32],
    states: &mut [f32],
    outcomes: &mut [f32],
    steps: usize,
    num_envs: usize,
    #[comptime] len: usize,
    #[comptime] inputs: usize,
    #[comptime] components: usize,
) {
    let env = ABSOLUTE_POS;
    if env < num_envs {
        let mut state = Array::<f32>::new(len);
        let mut action = Array::<f32>::new(components);
        let mut observation = Array::<f32>::new(inputs);
        let mut first = Random::new(1u32, 0u32, env as u32, u32::MAX, u32::MAX);
        E::reset(&mut state, &mut first);
        for step in 0..steps {
            let at = step * num_envs + env;
            let mut random = Random::new(1u32, 0u32, env as u32, step as u32, 0u32);
            #[unroll]
            for i in 0..len {
                states[at * len + i] = state[i];
            }
            #[unroll]
            for k in 0..components {
                action[k] = actions[at * components + k];
            }
            let outcome = E::step(&mut state, &action, &mut random);
            E::observe(&state, &mut observation);
            let place = at * (inputs + 2);
            #[unroll]
            for d in 0..inputs {
                outcomes[place + d] = observation[d];
            }
            outcomes[place + inputs] = outcome.reward;
            let flags = select(outcome.terminated, TERMINATED, 0u32) + select(outcome.truncated, TRUNCATED, 0u32);
            outcomes[place + inputs + 1] = f32::cast_from(flags);
            if flags != 0 {
                E::reset(&mut state, &mut random);
            }
        }
    }
}
