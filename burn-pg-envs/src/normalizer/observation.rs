//! Normalised observations.

use serde::{Deserialize, Serialize};

use super::{EPSILON, RunningMoments};

/// Shifts and scales observations by their running mean and deviation, and clips them:
/// `clip((o - mean) / sqrt(variance + 1e-8), -clip, clip)`. Plain data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObservationNormalizer {
    /// Of the observations seen.
    pub moments: RunningMoments,
    /// Bound of what comes out; 10 by default.
    pub clip: f64,
}

impl ObservationNormalizer {
    /// Of observations of `len` numbers.
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self { moments: RunningMoments::new(len), clip: 10.0 }
    }

    /// What observations are divided by: `sqrt(variance + 1e-8)`. Shape `[D]`.
    #[must_use]
    pub fn std(&self) -> Vec<f64> {
        self.moments.variance.iter().map(|variance| (variance + EPSILON).sqrt()).collect()
    }

    /// Normalises observations of shape `[N, D]` in place.
    #[allow(clippy::cast_possible_truncation)] // observations are single precision
    pub fn apply(&self, observations: &mut [f32]) {
        let RunningMoments { mean, variance, .. } = &self.moments;
        for row in observations.chunks_exact_mut(mean.len()) {
            for ((number, mean), variance) in row.iter_mut().zip(mean).zip(variance) {
                let normal = (f64::from(*number) - mean) / (variance + EPSILON).sqrt();
                *number = normal.clamp(-self.clip, self.clip) as f32;
            }
        }
    }
}
