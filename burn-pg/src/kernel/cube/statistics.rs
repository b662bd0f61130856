//! Mean and standard deviation of the advantages of each minibatch.

use cubecl::{client::Client, prelude::*};

use super::{
    buffer::Buffer,
    order::{Pass, sample_at},
    rollout::grid,
};

/// Parts that the samples of a minibatch are cut into, one workgroup each.
pub(crate) const PARTS: usize = 16;

/// Threads of a workgroup.
const THREADS: usize = 64;

/// Writes count, mean, and sum of the squared distances from the mean, of the advantages in each part of each minibatch.
/// `statistics` has the shape `[passes, PARTS, 3]`.
pub(crate) fn advantage_statistics(
    client: &Client,
    advantages: &Buffer,
    statistics: &Buffer,
    seeds: &Buffer,
    passes: usize,
    pass: Pass,
) {
    moments::launch(
        client,
        grid(passes * PARTS, 1),
        CubeDim::new_1d(THREADS as u32),
        advantages.arg(),
        statistics.arg(),
        seeds.arg(),
        passes,
        pass.rows,
        pass.size,
        pass.minibatches,
        pass.half_bits,
    );
}

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn moments(
    advantages: &[f32],
    statistics: &mut [f32],
    seeds: &[u32],
    passes: usize,
    rows: usize,
    size: usize,
    minibatches: usize,
    half_bits: u32,
) {
    let (pass, part) = (CUBE_POS / PARTS, CUBE_POS % PARTS);
    if pass >= passes {
        terminate!();
    }
    let mut parts = Shared::<[f32]>::new_slice(comptime!(2 * THREADS));
    let unit = UNIT_POS as usize;
    let seed = seeds[pass / minibatches];
    let start = pass % minibatches * size;
    let end = min(start + size, rows);
    let length = (end - start).div_ceil(PARTS);
    let first = min(start + part * length, end);
    let last = min(first + length, end);
    let count = f32::cast_from((last - first) as u32);

    let mut sum = f32::new(0.0);
    let mut at = first + unit;
    while at < last {
        sum += advantages[sample_at(at, rows, half_bits, seed)];
        at += THREADS;
    }
    parts[unit] = sum;
    sync_cube();
    let mut total = f32::new(0.0);
    for i in 0..THREADS {
        total += parts[i];
    }
    let mean = total / max(count, 1.0f32);

    let mut squares = f32::new(0.0);
    let mut at = first + unit;
    while at < last {
        let distance = advantages[sample_at(at, rows, half_bits, seed)] - mean;
        squares += distance * distance;
        at += THREADS;
    }
    parts[THREADS + unit] = squares;
    sync_cube();
    if unit == 0 {
        let mut total = f32::new(0.0);
        for i in 0..THREADS {
            total += parts[THREADS + i];
        }
        let place = (pass * PARTS + part) * 3;
        statistics[place] = count;
        statistics[place + 1] = mean;
        statistics[place + 2] = total;
    }
}

/// Returns the mean of the advantages of a minibatch, and what their distances from it are multiplied by, so that they have mean
/// 0 and standard deviation 1 as after [`normalize`](crate::loss::normalize).
#[cube]
pub(super) fn shift_and_scale(statistics: &[f32], pass: usize) -> Shift {
    let mut count = f32::new(0.0);
    let mut mean = f32::new(0.0);
    let mut squares = f32::new(0.0);
    // The parallel algorithm of T. Chan, G. Golub, R. LeVeque.
    for part in 0..PARTS {
        let place = (pass * PARTS + part) * 3;
        let more = statistics[place];
        if more > 0.0f32 {
            let distance = statistics[place + 1] - mean;
            let both = count + more;
            mean += distance * more / both;
            squares += statistics[place + 2] + distance * distance * count * more / both;
            count = both;
        }
    }
    let mut scale = f32::new(1.0);
    if count > 1.0f32 {
        scale = 1.0f32 / ((squares / (count - 1.0f32)).sqrt() + 1e-8f32);
    } else {
        // A single advantage stays as it is.
        mean = f32::new(0.0);
    }
    Shift { mean, scale }
}

/// What advantages are shifted and multiplied by.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Shift {
    pub mean: f32,
    pub scale: f32,
}
