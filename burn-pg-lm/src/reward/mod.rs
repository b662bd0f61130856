//! Rewards: models that score texts, learned from preferences.

mod folder;
mod preference;
mod scorer;

pub use folder::RewardModel;
pub use preference::{Accuracy, accuracy};
pub use scorer::Scorer;
