//! Rewards: models that score texts, learned from preferences, and rules that score decoded text.

mod preference;
mod rules;
mod scorer;

pub use preference::{Accuracy, accuracy, preference_loss};
pub use rules::{Answer, Contains, Lexicon, RuleError, Script, ScriptError, TextReward, Words};
pub use scorer::Scorer;
