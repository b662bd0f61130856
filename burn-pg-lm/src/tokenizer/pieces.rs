//! The bytes that each token stands for.
//!
//! A byte-level vocabulary writes each byte as one character: visible ones as themselves, and the other 68 as the
//! characters from U+0100 on. So `Ġ` (U+0120) is a space.

use std::collections::HashMap;

use super::TokenizerError;

/// The bytes of each token, under its id.
#[derive(Debug, Clone)]
pub(super) struct Pieces {
    bytes: HashMap<u32, Box<[u8]>>,
    /// The largest id.
    last: u32,
    /// Whether there is a token for the byte alone, for each byte.
    has_byte: [bool; 256],
}

impl Pieces {
    /// Reads the vocabulary of a tokenizer.
    ///
    /// # Errors
    /// [`TokenizerError::Damaged`] if there is no token, or two tokens have the same id.
    pub fn new(tokenizer: &tokenizers::Tokenizer) -> Result<Self, TokenizerError> {
        let meaning = meaning_of_characters();
        let mut pieces = Self { bytes: HashMap::new(), last: 0, has_byte: [false; 256] };
        for (token, id) in tokenizer.get_vocab(false) {
            let bytes: Option<Box<[u8]>> = token.chars().map(|letter| meaning.get(&letter).copied()).collect();
            let bytes = bytes.unwrap_or_else(|| token.as_bytes().into());
            if let [byte] = bytes[..] {
                pieces.has_byte[usize::from(byte)] = true;
            }
            if pieces.bytes.insert(id, bytes).is_some() {
                return Err(TokenizerError::damaged(&format_args!("two tokens have the id {id}")));
            }
        }
        for (id, token) in tokenizer.get_added_tokens_decoder() {
            // The text of added tokens is written as it is.
            pieces.bytes.insert(id, token.content.into_bytes().into());
        }
        let last = pieces.bytes.keys().max();
        pieces.last = *last.ok_or_else(|| TokenizerError::damaged(&"its vocabulary is empty"))?;
        Ok(pieces)
    }

    /// Returns the bytes of a token.
    pub fn get(&self, id: u32) -> Result<&[u8], TokenizerError> {
        self.bytes.get(&id).map(|bytes| &**bytes).ok_or(TokenizerError::UnknownId { id, last: self.last })
    }

    /// Returns one more than the largest id.
    pub fn len(&self) -> usize {
        self.last as usize + 1
    }

    /// Returns the first character that has a byte without a token.
    pub fn first_inexpressible(&self, text: &str) -> Option<char> {
        let is_expressible = |letter: &char| {
            let mut buffer = [0; 4];
            letter.encode_utf8(&mut buffer).bytes().all(|byte| self.has_byte[usize::from(byte)])
        };
        text.chars().find(|letter| !is_expressible(letter))
    }
}

/// Returns the byte that each character of a byte-level vocabulary stands for.
fn meaning_of_characters() -> HashMap<char, u8> {
    let mut replacements = '\u{100}'..;
    let character = |byte: u8| match byte {
        b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF => char::from(byte),
        _ => replacements.next().expect("68 bytes are not visible"),
    };
    (0..=u8::MAX).map(character).zip(0..=u8::MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_character() {
        let meaning = meaning_of_characters();
        assert_eq!(meaning.len(), 256);
        for (character, byte) in
            [('A', b'A'), ('Ġ', b' '), ('Ċ', b'\n'), ('Ā', 0), ('ÿ', 0xFF), ('ł', 0xA0), ('Ń', 0xAD)]
        {
            assert_eq!(meaning[&character], byte, "{character}");
        }
    }
}
