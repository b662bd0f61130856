//! Layers around a batch of environments, with state that is saved and loaded with it.

mod moments;
mod normalize;

pub use moments::RunningMoments;
pub use normalize::{Normalize, ObservationNormalizer, RewardNormalizer};
