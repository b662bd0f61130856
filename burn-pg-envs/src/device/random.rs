//! Counter-based random numbers.

use std::f32::consts::TAU;

use cubecl::prelude::*;

/// A stream of random numbers on a device: Philox4x32-10 of J. Salmon et al., *Parallel random numbers: as easy as 1, 2,
/// 3* (2011).
///
/// There is no state to keep: the numbers follow from the seed, the environment, its step, and how many were drawn in
/// that step before. So the bits are the same on every device.
#[derive(CubeType)]
pub struct Random {
    seed_low: u32,
    seed_high: u32,
    stream: u32,
    step_low: u32,
    step_high: u32,
    draws: u32,
}

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

#[cube]
impl Random {
    /// Creates the stream of `stream` (an environment) in one of its steps.
    pub fn new(seed_low: u32, seed_high: u32, stream: u32, step_low: u32, step_high: u32) -> Random {
        Random { seed_low, seed_high, stream, step_low, step_high, draws: 0u32 }
    }

    /// Returns 32 random bits.
    pub fn bits(&mut self) -> u32 {
        let draw = self.draws;
        self.draws = draw + 1u32;
        philox(self.seed_low, self.seed_high, draw, self.stream, self.step_low, self.step_high)
    }

    /// Returns a number in `low..high`.
    pub fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * unit(self.bits())
    }

    /// Returns a number with a normal distribution of mean 0 and standard deviation 1, by the method of Box and Muller.
    pub fn normal(&mut self) -> f32 {
        // In (0, 1], because the logarithm of 0 is infinite.
        let radius = 1.0f32 - unit(self.bits());
        let angle = unit(self.bits());
        // Devices may compute a logarithm near 1 with the wrong sign.
        max(radius.ln() * -2.0f32, 0.0f32).sqrt() * (angle * TAU).cos()
    }
}

/// Returns a number in `0..1` with 24 random bits.
#[cube]
fn unit(bits: u32) -> f32 {
    f32::cast_from(bits >> 8u32) * 5.960_464_5e-8f32
}

/// Returns the first of the four words of a block.
#[cube]
pub fn philox(key_low: u32, key_high: u32, a: u32, b: u32, c: u32, d: u32) -> u32 {
    let (mut a, mut b, mut c, mut d) = (a, b, c, d);
    let (mut key_low, mut key_high) = (key_low, key_high);
    #[unroll]
    for _ in 0..10u32 {
        let high_a = a.mul_hi(comptime!(MULTIPLIERS[0]));
        let low_a = a * comptime!(MULTIPLIERS[0]);
        let high_c = c.mul_hi(comptime!(MULTIPLIERS[1]));
        let low_c = c * comptime!(MULTIPLIERS[1]);
        a = high_c ^ b ^ key_low;
        b = low_c;
        c = high_a ^ d ^ key_high;
        d = low_a;
        key_low += comptime!(WEYL[0]);
        key_high += comptime!(WEYL[1]);
    }
    a
}
