//! One text that grows token by token.

use burn_pg::kernel::parts::Real;

use super::{Cache, Choice, Writer};
use crate::Texts;

/// One text that a model continues, token after token, as it is shown while it is written.
#[derive(Debug, Clone)]
pub struct Continuation<'w, T> {
    writer: &'w Writer<T>,
    cache: Cache<T>,
    /// The hidden state after the last token. Shape `[C]`.
    hidden: Vec<T>,
}

impl<'w, T: Real> Continuation<'w, T> {
    /// Reads a prompt.
    ///
    /// # Panics
    /// If the prompt is empty or longer than the context, or a token is not in the vocabulary.
    #[must_use]
    pub fn new(writer: &'w Writer<T>, prompt: &[u32]) -> Self {
        let mut continuation = Self { writer, cache: writer.cache(), hidden: Vec::new() };
        continuation.read(prompt);
        continuation
    }

    /// Chooses the next token, and reads it. Returns it with the logarithm of its probability; `None` if the context is full.
    /// `uniform` returns a random number from 0 to below 1.
    pub fn next(&mut self, choice: &Choice, uniform: impl FnOnce() -> f64) -> Option<(u32, T)> {
        if self.cache.len() >= self.writer.context() {
            return None;
        }
        let (token, log_prob) = choice.choose(&self.writer.logits(&self.hidden), uniform);
        self.read(&[token]);
        Some((token, log_prob))
    }

    fn read(&mut self, tokens: &[u32]) {
        let texts: Texts = [tokens].into_iter().collect();
        self.hidden = self.writer.read(std::slice::from_mut(&mut self.cache), &texts);
    }
}
