//! Rewards of texts.

use burn_pg::Error;

/// A completion that is to be scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written<'a> {
    /// The tokens of the prompt.
    pub prompt: &'a [u32],
    /// The tokens of the completion, with the end token if it has ended.
    pub completion: &'a [u32],
    /// True if the completion has ended; false if it was cut off.
    pub ended: bool,
}

/// A reward for each text: a function of one text, or an implementation of your own for all of them at once.
pub trait Reward: Send {
    /// Returns a score for each text. NaN says that a text cannot be scored: it is not learned from, and counted.
    ///
    /// # Errors
    /// Any [`Error`]; [`Error::Source`] for one of your own.
    fn score(&mut self, texts: &[Written<'_>]) -> Result<Vec<f64>, Error>;
}

impl<F: FnMut(&Written<'_>) -> f64 + Send> Reward for F {
    fn score(&mut self, texts: &[Written<'_>]) -> Result<Vec<f64>, Error> {
        Ok(texts.iter().map(self).collect())
    }
}
