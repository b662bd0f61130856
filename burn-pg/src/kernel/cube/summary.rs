//! What the host learns of a rollout: a few numbers.

use cubecl::{client::Client, prelude::*};

use super::{advantages::SUMS, buffer::Buffer};

/// Numbers of a summary: the number of episodes that ended, and the sums of their returns and lengths; the sums of returns, of
/// their squares, of errors of the values, and of their squares; and the first environment in which something is not finite,
/// counted from 1, or 0.
pub(crate) const SUMMARY: usize = 3 + SUMS + 1;

/// Threads of the workgroup.
const THREADS: usize = 128;

/// Adds up the books and the sums of N environments. `summary` has the shape `[SUMMARY]`.
pub(crate) fn summarise(
    client: &Client,
    states: &Buffer,
    sums: &Buffer,
    summary: &Buffer,
    num_envs: usize,
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
    );
}

#[cube(launch)]
fn add_up(states: &[f32], sums: &[f32], summary: &mut [f32], num_envs: usize, state_len: usize) {
    let mut parts = Shared::<[f32]>::new_slice(comptime!(SUMMARY * THREADS));
    let unit = UNIT_POS as usize;
    let mut totals = Array::<f32>::new(SUMMARY);
    let mut env = unit;
    while env < num_envs {
        #[unroll]
        for k in 0..3usize {
            totals[k] += states[(state_len + 2 + k) * num_envs + env];
        }
        #[unroll]
        for k in 0..SUMS {
            totals[3 + k] += sums[k * num_envs + env];
        }
        let unusable = states[(state_len + 5) * num_envs + env] + sums[SUMS * num_envs + env];
        if unusable != 0.0f32 && totals[3 + SUMS] == 0.0f32 {
            totals[3 + SUMS] = f32::cast_from(env as u32 + 1);
        }
        env += THREADS;
    }
    #[unroll]
    for k in 0..SUMMARY {
        parts[k * THREADS + unit] = totals[k];
    }
    sync_cube();
    if unit < SUMMARY {
        let mut total = f32::new(0.0);
        for i in 0..THREADS {
            let part = parts[unit * THREADS + i];
            if unit == 3 + SUMS {
                // The smallest that is not 0.
                if part != 0.0f32 && (total == 0.0f32 || part < total) {
                    total = part;
                }
            } else {
                total += part;
            }
        }
        summary[unit] = total;
    }
}
