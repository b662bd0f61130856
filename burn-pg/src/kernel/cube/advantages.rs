//! Advantages of a rollout, one thread an environment.

use cubecl::{client::Client, prelude::*};

use super::{
    buffer::Buffer,
    rollout::{Recorded, Steps, TERMINATED, grid, is_finite},
    values::goes_on_elsewhere,
};

/// Numbers that are kept for each environment: mean, and sum of the squared distances from it, of the returns and of the errors of
/// the values; and 1 if a value or a target is not finite.
pub(crate) const ESTIMATED: usize = 5;

const THREADS: u32 = 64;

/// Estimates advantages and returns (shapes `[T * N]`) as [`Gae`](crate::advantage::Gae) does. Writes how
/// returns and errors of the values vary in each environment (`sums`, shape `[ESTIMATED, N]`).
pub(crate) fn estimate(
    client: &Client,
    recorded: &Recorded,
    [values, next_values]: [&Buffer; 2],
    [advantages, returns, sums]: [&Buffer; 3],
    steps: Steps,
    [gamma, lambda]: [f64; 2],
) {
    #[allow(clippy::cast_possible_truncation)] // kernels use single precision
    let [discount, decay] = [gamma, gamma * lambda].map(|factor| factor as f32);
    gae::launch(
        client,
        grid(steps.num_envs, THREADS),
        CubeDim::new_1d(THREADS),
        recorded.outcomes.arg(),
        values.arg(),
        next_values.arg(),
        advantages.arg(),
        returns.arg(),
        sums.arg(),
        steps.num_envs,
        steps.total,
        discount,
        decay,
    );
}

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn gae(
    outcomes: &[f32],
    values: &[f32],
    next_values: &[f32],
    advantages: &mut [f32],
    returns: &mut [f32],
    sums: &mut [f32],
    num_envs: usize,
    total: usize,
    discount: f32,
    decay: f32,
) {
    let env = ABSOLUTE_POS;
    if env < num_envs {
        let rows = num_envs * total;
        let mut later = f32::new(0.0);
        let mut totals = Array::<f32>::new(ESTIMATED);
        for i in 0..total {
            let at = (total - 1 - i) * num_envs + env;
            let flags = u32::cast_from(outcomes[rows + at]);
            let value = values[at];
            let mut next = f32::new(0.0);
            if goes_on_elsewhere(outcomes, at, num_envs, rows) {
                next = next_values[at];
            } else if (flags & TERMINATED) == 0 {
                next = values[at + num_envs];
            }
            let delta = outcomes[at] + discount * next - value;
            later = select(flags == 0, delta + decay * later, delta);
            let target = later + value;
            advantages[at] = later;
            returns[at] = target;
            if !(is_finite(value) && is_finite(target)) {
                totals[4] = 1.0f32;
            }
            // The method of B. Welford.
            let count = f32::cast_from(i as u32 + 1);
            #[unroll]
            for k in 0..2usize {
                let number = if comptime!(k == 0) { target } else { later };
                let distance = number - totals[2 * k];
                totals[2 * k] += distance / count;
                totals[2 * k + 1] += distance * (number - totals[2 * k]);
            }
        }
        #[unroll]
        for k in 0..ESTIMATED {
            sums[k * num_envs + env] = totals[k];
        }
    }
}
