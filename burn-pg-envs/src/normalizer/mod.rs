//! Statistics that observations and rewards are normalised with. Plain data.

mod moments;
mod observation;
mod reward;

pub use moments::RunningMoments;
pub use observation::ObservationNormalizer;
pub use reward::RewardNormalizer;

/// Added to variances before the root is taken.
const EPSILON: f64 = 1e-8;
