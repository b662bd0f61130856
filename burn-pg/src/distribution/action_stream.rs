//! The random numbers of actions.

use std::num::NonZeroU32;

use burn_pg_envs::EnvRng;
use serde::{Deserialize, Serialize};

/// The random stream for the actions of one environment, with the gSDE noise that several actions share.
///
/// A stream that is saved and loaded continues exactly where it was, with the same gSDE noise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionStream {
    /// Random generator of the actions, and of new gSDE noise.
    pub rng: EnvRng,
    /// The gSDE noise: standard normal values; empty if there is none.
    held: Vec<f64>,
    /// Number of actions that have used this noise.
    served: u32,
}

impl From<EnvRng> for ActionStream {
    /// Creates a stream without gSDE noise.
    fn from(rng: EnvRng) -> Self {
        Self { rng, held: Vec::new(), served: 0 }
    }
}

impl ActionStream {
    /// Discards the gSDE noise, so that the first action of the new rollout draws new noise.
    pub fn begin_rollout(&mut self) {
        self.held.clear();
        self.served = 0;
    }

    /// Returns the gSDE noise of one action, `len` standard normal values: the same as for the last action, unless
    /// `resample_every` actions have used it, a rollout has begun, or `len` has changed.
    pub fn gsde_noise(&mut self, len: usize, resample_every: Option<NonZeroU32>) -> &[f64] {
        if self.held.len() != len || resample_every.is_some_and(|actions| self.served >= actions.get()) {
            let Self { rng, held, .. } = self;
            held.clear();
            held.extend((0..len).map(|_| rng.normal()));
            self.served = 0;
        }
        self.served = self.served.saturating_add(1);
        &self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_held_for_its_interval_within_a_rollout() {
        let mut stream = ActionStream::from(EnvRng::new(2));
        let mut rng = EnvRng::new(2);
        let mut fresh = || [rng.normal(), rng.normal()];
        let (first, second, third) = (fresh(), fresh(), fresh());
        let interval = NonZeroU32::new(3);
        for expected in [first, first, first, second] {
            assert_eq!(stream.gsde_noise(2, interval), expected);
        }
        stream.begin_rollout();
        for _ in 0..10 {
            assert_eq!(stream.gsde_noise(2, None), third);
        }
    }

    #[test]
    fn a_saved_stream_goes_on_in_the_middle_of_a_hold() {
        let mut stream = ActionStream::from(EnvRng::new(2));
        let interval = NonZeroU32::new(2);
        stream.gsde_noise(3, interval);
        let mut loaded: ActionStream = serde_json::from_str(&serde_json::to_string(&stream).unwrap()).unwrap();
        for _ in 0..5 {
            assert_eq!(loaded.gsde_noise(3, interval), stream.gsde_noise(3, interval));
        }
    }
}
