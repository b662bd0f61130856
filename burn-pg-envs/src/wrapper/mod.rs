//! Wrappers around an environment or a batch of environments. Their state is saved and loaded with it.

mod episodes;
mod normalize;
mod time_limit;
mod transform_actions;

pub use crate::normalizer::{ObservationNormalizer, RewardNormalizer, RunningMoments};
pub use episodes::{EpisodeStats, RecordEpisodes};
pub use normalize::Normalize;
pub use time_limit::{TimeLimit, TimeLimitState};
pub use transform_actions::{ActionTransform, TransformActions};
