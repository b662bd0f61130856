//! Rewards computed from decoded text.
//!
//! Words are runs of letters and digits, with apostrophes within them; upper and lower case are the same.

mod count;
mod lexicon;
mod script;
mod words;

use burn_pg::Error;
use serde::Serialize;
use serde_json::{Map, Value};

pub use count::{Contains, RuleError, Words};
pub use lexicon::Lexicon;
pub use script::{Script, ScriptError};

/// A completion that is to be scored, as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Answer<'a> {
    /// The text of the prompt.
    pub prompt: &'a str,
    /// The text of the completion.
    pub completion: &'a str,
    /// True if the completion has ended; false if it was cut off.
    pub ended: bool,
    /// What else the line of the prompt says in its file, such as the right answer.
    #[serde(flatten)]
    pub columns: Option<&'a Map<String, Value>>,
}

/// A reward for each decoded text: a function of one text, or an implementation of your own for all of them at once.
pub trait TextReward: Send {
    /// Returns a score for each text. NaN says that a text cannot be scored.
    ///
    /// # Errors
    /// Any [`Error`]; [`Error::Source`] for one of your own.
    fn score(&mut self, texts: &[Answer<'_>]) -> Result<Vec<f64>, Error>;
}

impl<F: FnMut(&Answer<'_>) -> f64 + Send> TextReward for F {
    fn score(&mut self, texts: &[Answer<'_>]) -> Result<Vec<f64>, Error> {
        Ok(texts.iter().map(self).collect())
    }
}

/// Scores each completion with a function of its text.
fn of_completions(texts: &[Answer<'_>], score: impl Fn(&str) -> f64) -> Vec<f64> {
    texts.iter().map(|text| score(text.completion)).collect()
}
