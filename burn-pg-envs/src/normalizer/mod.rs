//! Statistics that normalise observations and rewards.

mod moments;
mod observation;
mod reward;

pub use moments::RunningMoments;
pub use observation::ObservationNormalizer;
pub use reward::RewardNormalizer;

/// Added to variances before the square root.
const EPSILON: f64 = 1e-8;
