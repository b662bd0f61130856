//! What the host learns of a rollout: a few numbers.

use cubecl::{client::Client, prelude::*};

use super::buffer::Buffer;

/// Numbers of a summary: the number of episodes that ended, and the sums of their returns and lengths; the variances of returns and
/// of errors of the values, each times the number of samples; and the first environment in which something is not finite, counted
/// from 1, or 0.
pub(crate) const SUMMARY: usize = 6;

/// Numbers of the part of a thread: those of a summary, the number of environments, and the means of returns and errors.
const PART: usize = SUMMARY + 3;

/// Threads of the workgroup.
const THREADS: usize = 128;

/// Adds up the books of N environments, and how returns and errors vary in each of them. `summary` has the shape `[SUMMARY]`.
pub(crate) fn summarise(
    client: &Client,
    states: &Buffer,
    sums: &Buffer,
    summary: &Buffer,
    [num_envs, num_steps]: [usize; 2],
    state_len: usize,
) {
    add_up::launch(
        client,
        CubeCount::Static(1, 1, 1),
        CubeDim::new_1d(THREADS as u32),
        states.arg(),
        sums.arg(),
        summary.arg(),
        num_envs,
        state_len,
        num_steps as f32,
    );
}

#[cube(launch)]
fn add_up(states: &[f32], sums: &[f32], summary: &mut [f32], num_envs: usize, state_len: usize, steps: f32) {
    let mut parts = Shared::<[f32]>::new_slice(comptime!(PART * THREADS));
    let unit = UNIT_POS as usize;
    let mut mine = Array::<f32>::new(PART);
    let mut other = Array::<f32>::new(PART);
    let mut env = unit;
    while env < num_envs {
        #[unroll]
        for k in 0..3usize {
            other[k] = states[(state_len + 2 + k) * num_envs + env];
        }
        other[3] = sums[num_envs + env];
        other[4] = sums[3 * num_envs + env];
        let unusable = states[(state_len + 5) * num_envs + env] + sums[4 * num_envs + env];
        other[5] = select(unusable != 0.0f32, f32::cast_from(env as u32 + 1), 0.0f32);
        other[6] = 1.0f32;
        other[7] = sums[env];
        other[8] = sums[2 * num_envs + env];
        merge(&mut mine, &other, steps);
        env += THREADS;
    }
    #[unroll]
    for k in 0..PART {
        parts[k * THREADS + unit] = mine[k];
    }
    sync_cube();
    if unit == 0 {
        for i in 1..THREADS {
            #[unroll]
            for k in 0..PART {
                other[k] = parts[k * THREADS + i];
            }
            merge(&mut mine, &other, steps);
        }
        #[unroll]
        for k in 0..SUMMARY {
            summary[k] = mine[k];
        }
    }
}

/// Adds a part to another one. Variances are added by the parallel algorithm of T. Chan, G. Golub, R. LeVeque; each environment has
/// `steps` samples.
#[cube]
fn merge(mine: &mut Array<f32>, other: &Array<f32>, steps: f32) {
    let (count, more) = (mine[6], other[6]);
    if more > 0.0f32 {
        let both = count + more;
        #[unroll]
        for k in 0..2usize {
            let distance = other[7 + k] - mine[7 + k];
            mine[3 + k] += other[3 + k] + distance * distance * steps * (count * (more / both));
            mine[7 + k] += distance * (more / both);
        }
        #[unroll]
        for k in 0..3usize {
            mine[k] += other[k];
        }
        if mine[5] == 0.0f32 || (other[5] != 0.0f32 && other[5] < mine[5]) {
            mine[5] = other[5];
        }
        mine[6] = both;
    }
}
