//! Random numbers: NumPy's `SeedSequence` and `PCG64`, so that a seed gives the same uniform numbers as in Gymnasium.
//!
//! Sources: M. O'Neill, *PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms for Random Number
//! Generation* (2014), variant XSL-RR 128/64, and the hash of NumPy's `SeedSequence` after M. O'Neill, *Developing a
//! `seed_seq` Alternative* (2015).

use std::f64::consts::TAU;

use serde::{Deserialize, Serialize};

const POOL_WORDS: usize = 4;
const XSHIFT: u32 = 16;

/// Turns a seed of any quality into the states of any number of independent streams.
///
/// Equal to `numpy.random.SeedSequence(seed, spawn_key=stream)`.
#[derive(Debug, Clone)]
pub struct SeedSequence {
    pool: [u32; POOL_WORDS],
}

impl SeedSequence {
    /// Creates the sequence of `seed` itself.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::stream(seed, &[])
    }

    /// Creates the sequence of an independent stream of `seed`, named by a path of integers.
    #[must_use]
    pub fn stream(seed: u64, path: &[u32]) -> Self {
        let (low, high) = halves(seed);
        let mut entropy = vec![low];
        if high != 0 {
            entropy.push(high);
        }
        if !path.is_empty() {
            entropy.resize(POOL_WORDS, 0);
            entropy.extend_from_slice(path);
        }
        Self { pool: mix_entropy(&entropy) }
    }

    /// Returns the first `N` words of 64 bits.
    #[must_use]
    pub fn generate<const N: usize>(&self) -> [u64; N] {
        let mut hash = 0x8b51_f9dd_u32;
        let mut source = self.pool.iter().cycle();
        let mut next = || {
            let mut word = source.next().copied().unwrap_or_default() ^ hash;
            hash = hash.wrapping_mul(0x58f3_8ded);
            word = word.wrapping_mul(hash);
            u64::from(word ^ (word >> XSHIFT))
        };
        std::array::from_fn(|_| next() | (next() << 32))
    }
}

fn mix_entropy(entropy: &[u32]) -> [u32; POOL_WORDS] {
    let mut hash = 0x43b0_d7e5_u32;
    let mut hashed = |word: u32| {
        let mut word = word ^ hash;
        hash = hash.wrapping_mul(0x931e_8875);
        word = word.wrapping_mul(hash);
        word ^ (word >> XSHIFT)
    };
    let mix = |x: u32, y: u32| {
        let word = x.wrapping_mul(0xca01_f9dd).wrapping_sub(y.wrapping_mul(0x4973_f715));
        word ^ (word >> XSHIFT)
    };
    let mut pool: [u32; POOL_WORDS] = std::array::from_fn(|i| hashed(entropy.get(i).copied().unwrap_or(0)));
    for source in 0..POOL_WORDS {
        for target in (0..POOL_WORDS).filter(|&target| target != source) {
            pool[target] = mix(pool[target], hashed(pool[source]));
        }
    }
    for &word in entropy.iter().skip(POOL_WORDS) {
        for slot in &mut pool {
            *slot = mix(*slot, hashed(word));
        }
    }
    pool
}

/// A generator of random numbers: PCG64 (XSL-RR 128/64), seeded as NumPy seeds it.
///
/// | equal to NumPy, for the same seed | not equal: algorithms of our own |
/// | --- | --- |
/// | [`next_u64`](Self::next_u64): `PCG64(seed).random_raw()` | [`normal`](Self::normal): NumPy has a ziggurat |
/// | [`next_f64`](Self::next_f64): `Generator(PCG64(seed)).random()` | [`below`](Self::below): NumPy uses both halves of a word |
/// | [`uniform`](Self::uniform): `Generator(PCG64(seed)).uniform(low, high)` | [`shuffle`](Self::shuffle): it draws from `below` |
///
/// A generator that is saved and loaded continues exactly where it was.
// `rand_pcg::Pcg64` gives the same numbers, but its state can be saved only as 128-bit integers, which few formats
// have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "SavedRng", try_from = "SavedRng")]
pub struct EnvRng {
    state: u128,
    increment: u128,
}

impl EnvRng {
    const MULTIPLIER: u128 = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645;

    /// Creates the generator in the state that NumPy and Gymnasium derive from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::from(&SeedSequence::new(seed))
    }

    /// Creates an independent stream of `seed`, named by a path of integers.
    #[must_use]
    pub fn stream(seed: u64, path: &[u32]) -> Self {
        Self::from(&SeedSequence::stream(seed, path))
    }

    /// Returns the next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.advance();
        let (low, high) = (low_half(self.state), low_half(self.state >> 64));
        (low ^ high).rotate_right((high >> 58) as u32)
    }

    /// Returns a number uniform in `[0, 1)`, with 53 random bits.
    #[allow(clippy::cast_precision_loss)] // 53 bits are exact in an f64
    pub fn next_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns a number uniform in `[low, high)`.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.next_f64()
    }

    /// Returns a standard normal number, from two uniform draws (Box-Muller, without state between calls). NumPy draws
    /// another number.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.next_f64()).ln()).sqrt();
        radius * (TAU * self.next_f64()).cos()
    }

    /// Returns an integer uniform in `0..n` (Lemire's multiplication, without bias). NumPy draws another integer: this
    /// method takes a whole word each time.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: u32) -> u32 {
        assert!(n > 0, "an integer below 0 does not exist");
        let n = u64::from(n);
        loop {
            let product = (self.next_u64() >> 32) * n;
            let (fraction, integer) = halves(product);
            if u64::from(fraction) >= (1_u64 << 32) % n {
                return integer;
            }
        }
    }

    /// Shuffles `items` (Fisher-Yates).
    ///
    /// # Panics
    /// If there are 2^32 items or more.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let bound = u32::try_from(last + 1).expect("fewer than 2^32 items");
            items.swap(last, self.below(bound) as usize);
        }
    }

    fn advance(&mut self) {
        self.state = self.state.wrapping_mul(Self::MULTIPLIER).wrapping_add(self.increment);
    }
}

impl From<&SeedSequence> for EnvRng {
    fn from(sequence: &SeedSequence) -> Self {
        let [state_high, state_low, stream_high, stream_low] = sequence.generate();
        let increment = (join(stream_high, stream_low) << 1) | 1;
        let mut rng = Self { state: increment.wrapping_add(join(state_high, state_low)), increment };
        rng.advance();
        rng
    }
}

/// The saved form: hexadecimal strings, because few formats have 128-bit integers.
#[derive(Serialize, Deserialize)]
struct SavedRng {
    state: String,
    increment: String,
}

impl From<EnvRng> for SavedRng {
    fn from(rng: EnvRng) -> Self {
        Self { state: format!("{:032x}", rng.state), increment: format!("{:032x}", rng.increment) }
    }
}

impl TryFrom<SavedRng> for EnvRng {
    type Error = std::num::ParseIntError;

    fn try_from(saved: SavedRng) -> Result<Self, Self::Error> {
        Ok(Self {
            state: u128::from_str_radix(&saved.state, 16)?,
            // PCG needs an odd increment.
            increment: u128::from_str_radix(&saved.increment, 16)? | 1,
        })
    }
}

#[allow(clippy::cast_possible_truncation)] // splits a word into halves
fn halves(word: u64) -> (u32, u32) {
    (word as u32, (word >> 32) as u32)
}

#[allow(clippy::cast_possible_truncation)] // keeps the low half
fn low_half(word: u128) -> u64 {
    word as u64
}

fn join(high: u64, low: u64) -> u128 {
    (u128::from(high) << 64) | u128::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_one_seed_differ_and_repeat() {
        let draw = |path: &[u32]| EnvRng::stream(3, path).next_u64();
        assert_eq!(draw(&[1, 0]), draw(&[1, 0]));
        assert_ne!(draw(&[1, 0]), draw(&[1, 1]));
        assert_ne!(draw(&[1, 0]), draw(&[]));
        // numpy: PCG64(SeedSequence(3, spawn_key=(1, 0))).random_raw()
        assert_eq!(draw(&[1, 0]), 12_537_559_986_565_477_272);
    }

    #[test]
    fn uniform_numbers_match_numpy_and_others_do_not() {
        let mut rng = EnvRng::new(42);
        // numpy.random.default_rng(42).random(2)
        assert_eq!([rng.next_f64(), rng.next_f64()], [0.773_956_048_555_963_3, 0.438_878_439_752_052_3]);
        // numpy.random.default_rng(42).normal()
        assert!((EnvRng::new(42).normal() - 0.304_717_079_754_431_35).abs() > 0.01);
        // numpy.random.default_rng(42).integers(0, 10, 5)
        let mut rng = EnvRng::new(42);
        assert_ne!([(); 5].map(|()| rng.below(10)), [0, 7, 6, 4, 4]);
    }

    #[test]
    fn a_saved_generator_continues_its_stream() {
        let mut rng = EnvRng::new(11);
        rng.next_u64();
        let saved = serde_json::to_string(&rng).unwrap();
        let mut loaded: EnvRng = serde_json::from_str(&saved).unwrap();
        assert_eq!(loaded.next_u64(), rng.next_u64());
    }

    #[test]
    fn integers_below_n_are_uniform() {
        let mut rng = EnvRng::new(5);
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[rng.below(7) as usize] += 1;
        }
        // 10,000 are expected, within five standard deviations of 93.
        assert!(counts.iter().all(|&c| c.abs_diff(10_000) < 465), "{counts:?}");
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_variance_one() {
        let mut rng = EnvRng::new(5);
        let draws: Vec<f64> = (0..100_000).map(|_| rng.normal()).collect();
        let mean = draws.iter().sum::<f64>() / 1e5;
        let variance = draws.iter().map(|x| x * x).sum::<f64>() / 1e5 - mean * mean;
        // Within five standard errors of 0.0032 and 0.0045.
        assert!(mean.abs() < 0.016, "{mean}");
        assert!((variance - 1.0).abs() < 0.023, "{variance}");
    }

    #[test]
    fn a_shuffle_is_a_permutation() {
        let mut items: Vec<u32> = (0..100).collect();
        EnvRng::new(1).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
