//! The random order of samples, computed where it is needed.

use cubecl::prelude::*;

/// Passes over the samples of an update.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pass {
    /// Number of samples, B.
    pub rows: usize,
    /// Number of samples in a minibatch; the last may have fewer.
    pub size: usize,
    /// Number of minibatches in a pass.
    pub minibatches: usize,
    /// See [`half_bits`].
    pub half_bits: u32,
}

/// Rounds of the permutation.
const ROUNDS: usize = 6;

/// Returns half the bits of the smallest power of 4 that is at least `rows`, and at least 1.
pub(crate) fn half_bits(rows: usize) -> u32 {
    let bits = usize::BITS - rows.saturating_sub(1).leading_zeros();
    bits.div_ceil(2).max(1)
}

/// Returns the sample at `position` of a random order of `rows` samples: a Feistel network on `2 * half_bits` bits, applied
/// again while the result is `rows` or more. `seed` decides the order.
#[cube]
fn permuted(position: u32, rows: u32, half_bits: u32, seed: u32) -> u32 {
    let mask = (1u32 << half_bits) - 1u32;
    let mut at = position;
    let mut outside = true.runtime();
    while outside {
        let mut left = at >> half_bits;
        let mut right = at & mask;
        #[unroll]
        for round in 0..ROUNDS {
            let next = left ^ (mixed(right ^ mixed(seed + comptime!(round as u32 * 0x9E37_79B9))) & mask);
            left = right;
            right = next;
        }
        at = (left << half_bits) | right;
        outside = at >= rows;
    }
    at
}

/// Returns the sample at a position of a pass.
#[cube]
pub(super) fn sample_at(position: usize, rows: usize, half_bits: u32, seed: u32) -> usize {
    let mut at = position;
    if seed != 0 {
        at = permuted(position as u32, rows as u32, half_bits, seed) as usize;
    }
    at
}

/// Mixes the bits of a word: the finaliser of MurmurHash3.
#[cube]
fn mixed(word: u32) -> u32 {
    let word = (word ^ (word >> 16u32)) * 0x85EB_CA6Bu32;
    let word = (word ^ (word >> 13u32)) * 0xC2B2_AE35u32;
    word ^ (word >> 16u32)
}

#[cfg(test)]
#[allow(clippy::cast_sign_loss)] // indices of samples
mod tests {
    use burn::tensor::{DType, Device, Int, Tensor};
    use burn_pg_envs::device::philox;

    use super::*;
    use crate::{
        device::{self, Backend, DeviceChoice},
        kernel::cube::{Buffer, client},
    };

    #[cube(launch)]
    fn order(out: &mut [i32], rows: u32, half_bits: u32, seed: u32) {
        if ABSOLUTE_POS < rows as usize {
            out[ABSOLUTE_POS] = permuted(ABSOLUTE_POS as u32, rows, half_bits, seed) as i32;
        }
    }

    #[cube(launch)]
    fn block(out: &mut [i32], a: u32, b: u32, c: u32, d: u32, low: u32, high: u32) {
        out[0] = philox(low, high, a, b, c, d) as i32;
    }

    fn gpus() -> impl Iterator<Item = Device> {
        let backends = Backend::compiled().into_iter().filter(|backend| !backend.is_cpu());
        backends.filter_map(|backend| Some(device::open(DeviceChoice::Backend(backend)).ok()?.device))
    }

    /// Returns the integers that a kernel writes.
    fn written(len: usize, device: &Device, launch: impl FnOnce(&cubecl::client::Client, &Buffer)) -> Vec<i32> {
        let out = Tensor::<1, Int>::empty([len], (device, DType::I32));
        launch(&client(&Tensor::zeros([1], device)).unwrap(), &Buffer::of_ints(out.clone()).unwrap());
        out.into_data().try_into_vec().unwrap()
    }

    fn order_of(rows: usize, seed: u32, device: &Device) -> Vec<i32> {
        written(rows, device, |client, out| {
            let (count, dim) = (CubeCount::Static(rows.div_ceil(64) as u32, 1, 1), CubeDim::new_1d(64));
            order::launch(client, count, dim, out.arg(), rows as u32, half_bits(rows), seed);
        })
    }

    #[test]
    fn an_order_has_each_sample_once() {
        for device in gpus() {
            for rows in [1, 2, 3, 5, 16, 17, 1000, 4096] {
                let mut order = order_of(rows, 77, &device);
                if rows >= 16 {
                    assert_ne!(order, order_of(rows, 78, &device));
                }
                order.sort_unstable();
                assert!(order.into_iter().eq(0..rows as i32), "{rows}");
            }
        }
    }

    #[test]
    fn samples_are_at_every_position_equally_often() {
        const ROWS: usize = 12;
        const ORDERS: u32 = 1200;
        for device in gpus() {
            let mut counts = [[0_u32; ROWS]; ROWS];
            for seed in 1..=ORDERS {
                for (position, sample) in order_of(ROWS, seed, &device).into_iter().enumerate() {
                    counts[position][sample as usize] += 1;
                }
            }
            let expected = f64::from(ORDERS) / ROWS as f64;
            let squares = counts.as_flattened().iter().map(|&count| (f64::from(count) - expected).powi(2) / expected);
            // Chi-squared with 11^2 degrees of freedom: mean 121, standard deviation 15.6.
            let statistic: f64 = squares.sum();
            assert!((121.0 - 4.0 * 15.6..121.0 + 4.0 * 15.6).contains(&statistic), "{statistic}");
        }
    }

    #[test]
    fn philox_gives_the_numbers_of_its_authors() {
        // Known answers of Random123, `kat_vectors`: counter, key, first word.
        let cases = [
            ([0; 4], [0; 2], 0x6627_e8d5_u32),
            ([u32::MAX; 4], [u32::MAX; 2], 0x408f_276d),
            ([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0], 0xd16c_fe09),
        ];
        for device in gpus() {
            for ([a, b, c, d], [low, high], expected) in cases {
                let words = written(1, &device, |client, out| {
                    let (count, dim) = (CubeCount::Static(1, 1, 1), CubeDim::new_1d(1));
                    block::launch(client, count, dim, out.arg(), a, b, c, d, low, high);
                });
                assert_eq!(words[0].cast_unsigned(), expected);
            }
        }
    }
}
