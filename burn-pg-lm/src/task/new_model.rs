//! The vocabulary and the sizes of a new model.

use super::{
    TaskError,
    settings::{FamilyName, NewModel},
};
use crate::{
    ModelConfig, Tokenizer,
    config::{Gpt2Config, LlamaConfig},
    tokenizer::Training,
};

/// The token before, between and after documents.
const END: &str = "<|endoftext|>";
/// The token with which `transformers` fills up batches; a reward model would otherwise take the end of a text for it.
const PAD: &str = "<|pad|>";

/// Learns a vocabulary from documents.
///
/// # Errors
/// [`TaskError::Tokenizer`] if the vocabulary is too small for all bytes.
pub(super) fn train_tokenizer(documents: &[String], vocabulary: usize) -> Result<Tokenizer, TaskError> {
    let training = Training {
        vocab_size: vocabulary,
        special_tokens: vec![END.into(), PAD.into()],
        eos_token: Some(END.into()),
        starts_with_end: true,
        pad_token: Some(PAD.into()),
        chat_template: None,
    };
    Ok(Tokenizer::train(documents, &training)?)
}

/// Returns the configuration of a new model, whose texts begin and end with the same token.
pub(super) fn new_config(new: &NewModel, tokenizer: &Tokenizer) -> Result<ModelConfig, TaskError> {
    let end = tokenizer.required_end()?;
    let NewModel { context, width, hidden, blocks, heads, groups, .. } = *new;
    let (vocab_size, bos, eos, pad) = (tokenizer.vocab_size(), Some(end), vec![end], tokenizer.token(PAD));
    Ok(match new.family {
        FamilyName::Gpt2 => ModelConfig::Gpt2(Gpt2Config {
            vocab_size,
            max_positions: context,
            hidden_size: width,
            intermediate_size: hidden,
            layers: blocks,
            heads,
            norm_epsilon: 1e-5,
            tied_embeddings: true,
            bos,
            eos,
            pad,
        }),
        FamilyName::Llama => ModelConfig::Llama(LlamaConfig {
            vocab_size,
            max_positions: context,
            hidden_size: width,
            intermediate_size: hidden,
            layers: blocks,
            heads,
            kv_heads: groups,
            head_dim: width / heads,
            norm_epsilon: 1e-5,
            rope_theta: 10_000.0,
            tied_embeddings: true,
            bos,
            eos,
            pad,
        }),
    })
}
