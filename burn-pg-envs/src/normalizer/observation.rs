//! Normalised observations.

use serde::{Deserialize, Serialize};

use super::{EPSILON, RunningMoments};
use crate::EnvError;

/// Shifts and scales observations by their running mean and standard deviation, and clips them:
/// `clip((o - mean) / sqrt(variance + 1e-8), -clip, clip)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObservationNormalizer {
    /// Moments of the observations seen.
    pub moments: RunningMoments,
    /// Bound of normalised observations; 10 by default.
    pub clip: f64,
}

impl ObservationNormalizer {
    /// Creates the normaliser of observations of `len` elements, before the first observation.
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self { moments: RunningMoments::new(len), clip: 10.0 }
    }

    /// Creates the normaliser that divides by the standard deviations `std` (shape `[D]`), the inverse of
    /// [`std`](Self::std) up to rounding.
    #[must_use]
    pub fn from_std(mean: Vec<f64>, std: &[f64], count: f64, clip: f64) -> Self {
        let variance = std.iter().map(|std| (std * std - EPSILON).max(0.0)).collect();
        Self { moments: RunningMoments { mean, variance, count }, clip }
    }

    /// Checks that the statistics are valid for observations of `len` elements.
    ///
    /// # Errors
    /// [`EnvError::State`] if the statistics have another length, are not finite, or have a negative variance or count,
    /// or `clip` is not positive and finite.
    pub fn check(&self, len: usize) -> Result<(), EnvError> {
        if self.moments.is_sound(len) && self.clip > 0.0 && self.clip.is_finite() {
            return Ok(());
        }
        let found = self.moments.mean.len();
        Err(EnvError::State {
            reason: format!("the observation normaliser must have finite statistics of {len} numbers; it has {found}"),
        })
    }

    /// Returns the standard deviations that observations are divided by: `sqrt(variance + 1e-8)`. Shape `[D]`.
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
