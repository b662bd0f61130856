//! Rewards: models that score texts, learned from preferences.

mod preference;
mod scorer;

pub use preference::{Accuracy, accuracy};
pub use scorer::Scorer;
