//! Where the randomness of actions comes from.

use std::num::NonZeroU32;

use burn_pg_envs::EnvRng;
use serde::{Deserialize, Serialize};

/// The random numbers that the actions in one environment are drawn from, and the noise that is held over several of them.
///
/// It is plain data: saved and loaded, it goes on exactly where it was, in the middle of a hold too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionStream {
    /// For numbers that serve one action only.
    pub rng: EnvRng,
    /// Standard normal numbers; empty if none are held.
    held: Vec<f64>,
    /// Actions that they have served.
    served: u32,
}

impl From<EnvRng> for ActionStream {
    /// A stream that holds nothing yet.
    fn from(rng: EnvRng) -> Self {
        Self { rng, held: Vec::new(), served: 0 }
    }
}

impl ActionStream {
    /// Lets go of the noise: the next action of the rollout that begins gets its own.
    pub fn begin_rollout(&mut self) {
        self.held.clear();
        self.served = 0;
    }

    /// `len` standard normal numbers for one action: those of the action before, unless these have served `resample_every`
    /// actions or a rollout has begun.
    pub fn held_noise(&mut self, len: usize, resample_every: Option<NonZeroU32>) -> &[f64] {
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
            assert_eq!(stream.held_noise(2, interval), expected);
        }
        stream.begin_rollout();
        for _ in 0..10 {
            assert_eq!(stream.held_noise(2, None), third);
        }
    }

    #[test]
    fn a_saved_stream_goes_on_in_the_middle_of_a_hold() {
        let mut stream = ActionStream::from(EnvRng::new(2));
        let interval = NonZeroU32::new(2);
        stream.held_noise(3, interval);
        let mut loaded: ActionStream = serde_json::from_str(&serde_json::to_string(&stream).unwrap()).unwrap();
        for _ in 0..5 {
            assert_eq!(loaded.held_noise(3, interval), stream.held_noise(3, interval));
        }
    }
}
