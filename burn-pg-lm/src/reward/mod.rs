//! Rewards: models that score texts, learned from preferences, and rules that score decoded text.

mod folder;
mod preference;
mod rules;
mod scorer;

pub(crate) use folder::pad_of;
pub use folder::{Adapted, RewardModel};
pub use preference::{Accuracy, accuracy, accuracy_of_related};
pub use rules::{Answer, Contains, Lexicon, RuleError, Script, ScriptError, TextReward, Words};
pub use scorer::Scorer;
