//! The random order of samples, computed where it is needed.

use cubecl::prelude::*;

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
pub(super) fn permuted(position: u32, rows: u32, half_bits: u32, seed: u32) -> u32 {
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

/// Mixes the bits of a word: the finaliser of MurmurHash3.
#[cube]
fn mixed(word: u32) -> u32 {
    let word = (word ^ (word >> 16u32)) * 0x85EB_CA6Bu32;
    let word = (word ^ (word >> 13u32)) * 0xC2B2_AE35u32;
    word ^ (word >> 16u32)
}
