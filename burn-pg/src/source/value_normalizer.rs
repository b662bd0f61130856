//! Normalised values.

use burn_pg_envs::wrapper::RunningMoments;
use serde::{Deserialize, Serialize};

use crate::ranks::{Ranks, Topic};

/// Added to the variance before the square root.
const EPSILON: f64 = 1e-8;

/// Lets a critic learn returns in units of their running standard deviation, around their running mean: its output is
/// `v = (V - mean) / sqrt(variance + 1e-8)` for a value `V` in the unit of the rewards.
///
/// For each rollout,
///
/// 1. the outputs of the critic become values, `V = mean + v sqrt(variance + 1e-8)`, from which advantages and returns are
///    computed;
/// 2. the returns update the mean and the variance;
/// 3. the returns, and the values of the rollout, become targets of the critic with the new mean and variance.
///
/// So neither the scale of the rewards nor their mean changes how fast a critic learns. The outputs of the critic are not
/// corrected when the mean and the variance change, which they do ever less; nothing is clipped.
///
/// Sources: `normalize_value` of rl_games and `value_preprocessor` of skrl, which also let the values of the rollout update
/// the mean and the variance, and clip normalised values to ±5. H. van Hasselt, A. Guez, M. Hessel, V. Mnih, D. Silver,
/// *Learning values across many orders of magnitude* (2016), whose PopArt corrects the last layer of the critic too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValueNormalizer {
    /// Moments of the returns seen.
    pub moments: RunningMoments,
}

impl Default for ValueNormalizer {
    /// Creates a normaliser that has seen no returns: mean 0 and variance 1.
    fn default() -> Self {
        Self { moments: RunningMoments::new(1) }
    }
}

impl ValueNormalizer {
    /// Updates the mean and the variance with returns.
    pub fn update(&mut self, returns: &[f32]) {
        self.moments.update(returns);
    }

    /// Updates the mean and the variance with the returns of all ranks.
    pub(crate) fn update_over(&mut self, ranks: &Ranks, returns: Vec<f64>) {
        let all = if ranks.is_alone() { None } else { ranks.gather(Topic::Returns, &returns) };
        self.moments.update(&all.map_or(returns, |all| all.concat()));
    }

    /// Normalises values or returns in place.
    #[allow(clippy::cast_possible_truncation)] // training uses single precision
    pub fn normalize(&self, values: &mut [f32]) {
        let (mean, std) = (self.moments.mean[0], self.std());
        for value in values {
            *value = ((f64::from(*value) - mean) / std) as f32;
        }
    }

    /// Turns outputs of the critic into values in the unit of the rewards, in place.
    #[allow(clippy::cast_possible_truncation)] // training uses single precision
    pub fn denormalize(&self, outputs: &mut [f32]) {
        let (mean, std) = (self.moments.mean[0], self.std());
        for output in outputs {
            *output = (mean + f64::from(*output) * std) as f32;
        }
    }

    /// True if the mean and the variance are those of numbers.
    pub(crate) fn is_sound(&self) -> bool {
        self.moments.is_sound(1)
    }

    fn std(&self) -> f64 {
        (self.moments.variance[0] + EPSILON).sqrt()
    }
}
