//! Decoding of a sequence that grows.

use super::{Tokenizer, TokenizerError};

/// Decodes a growing sequence of tokens. A character whose bytes are spread over several tokens appears with the last
/// of them. What all calls return, joined, is what [`Tokenizer::decode`] returns for the whole sequence.
#[derive(Debug, Clone)]
pub struct Decoder<'a> {
    tokenizer: &'a Tokenizer,
    /// The start of a character of which bytes are missing.
    pending: Vec<u8>,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(tokenizer: &'a Tokenizer) -> Self {
        Self { tokenizer, pending: Vec::new() }
    }

    /// Adds a token, and returns the text that is complete now, if there is any. Bytes that cannot be part of a
    /// character become U+FFFD.
    ///
    /// # Errors
    /// [`TokenizerError::UnknownId`] if no token has this id; nothing is added then.
    pub fn push(&mut self, id: u32) -> Result<Option<String>, TokenizerError> {
        self.pending.extend_from_slice(self.tokenizer.pieces.get(id)?);
        let complete = self.pending.len() - incomplete_end(&self.pending);
        let text = String::from_utf8_lossy(&self.pending[..complete]).into_owned();
        self.pending.drain(..complete);
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// Ends the sequence: returns U+FFFD if it ends within a character.
    #[must_use]
    pub fn finish(self) -> Option<String> {
        Some(String::from_utf8_lossy(&self.pending).into_owned()).filter(|text| !text.is_empty())
    }
}

/// Returns the number of bytes at the end that are the start of a character.
fn incomplete_end(bytes: &[u8]) -> usize {
    let end = bytes.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
    match str::from_utf8(end) {
        Err(error) if error.error_len().is_none() => end.len(),
        _ => 0,
    }
}
