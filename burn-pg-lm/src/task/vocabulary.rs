//! The vocabulary of a new model.

use super::TaskError;
use crate::{Tokenizer, tokenizer::Training};

/// The token before, between and after documents.
const END: &str = "<|endoftext|>";

/// Learns a vocabulary from documents.
///
/// # Errors
/// [`TaskError::Tokenizer`] if the vocabulary is too small for all bytes.
pub(super) fn train_tokenizer(documents: &[String], vocabulary: usize) -> Result<Tokenizer, TaskError> {
    let training = Training {
        vocab_size: vocabulary,
        special_tokens: vec![END.into()],
        eos_token: Some(END.into()),
        chat_template: None,
    };
    Ok(Tokenizer::train(documents, &training)?)
}
