//! Training of a new tokenizer.

use std::collections::HashSet;

use serde_json::json;
use tokenizers::{
    AddedToken,
    models::{
        TrainerWrapper,
        bpe::{BPE, BpeTrainer},
    },
    pre_tokenizers::byte_level::ByteLevel,
    processors::template::TemplateProcessing,
};

use super::{Tokenizer, TokenizerError, definition::TOKENIZER};
use crate::{files::Folder, settings::TOKENIZER_CONFIG};

/// What a new tokenizer is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Training {
    /// Number of tokens: the special tokens, 256 bytes, and what is learned. It is smaller if the texts have too few
    /// pairs that occur twice.
    pub vocab_size: usize,
    /// The special tokens, which get the first ids. They must not occur in the texts.
    pub special_tokens: Vec<String>,
    /// The special token that ends a text.
    pub eos_token: Option<String>,
    /// True to begin each text with the end token, if there is one ([`Tokenizer::start`], also in `transformers`), as documents begin in pretraining.
    pub starts_with_end: bool,
    /// The special token for padding, which other programs need; here nothing is padded.
    pub pad_token: Option<String>,
    /// The chat template.
    pub chat_template: Option<String>,
}

impl Tokenizer {
    /// Trains a byte-level byte-pair encoding, with GPT-2's splitting into words. The same texts in any order give the
    /// same tokenizer.
    ///
    /// # Errors
    /// [`TokenizerError::VocabularyTooSmall`] if the bytes and the special tokens do not fit, and
    /// [`TokenizerError::NoSuchToken`] if `eos_token` is not one of the special tokens.
    pub fn train<S: AsRef<str> + Send>(
        texts: impl IntoIterator<Item = S, IntoIter: Send>,
        training: &Training,
    ) -> Result<Self, TokenizerError> {
        let special: Vec<_> =
            training.special_tokens.iter().map(|token| AddedToken::from(token.as_str(), true)).collect();
        let alphabet: HashSet<_> = ByteLevel::alphabet().into_iter().collect();
        let (size, least) = (training.vocab_size, alphabet.len() + special.len());
        if size < least {
            return Err(TokenizerError::VocabularyTooSmall { size, least });
        }
        let trainer = BpeTrainer::builder().vocab_size(size).min_frequency(2).show_progress(false);
        let mut trainer: TrainerWrapper = trainer.initial_alphabet(alphabet).special_tokens(special).build().into();
        let byte_level = ByteLevel::default().add_prefix_space(false);
        let mut tokenizer = tokenizers::Tokenizer::new(BPE::default());
        tokenizer.with_pre_tokenizer(Some(byte_level)).with_decoder(Some(byte_level));
        tokenizer.train(&mut trainer, texts.into_iter()).map_err(|error| TokenizerError::damaged(&error))?;

        if training.starts_with_end
            && let Some(end) = &training.eos_token
            && let Some(id) = tokenizer.token_to_id(end)
        {
            let start = TemplateProcessing::builder()
                .try_single(vec![end.as_str(), "$A"])
                .map_err(|error| TokenizerError::damaged(&error))?
                .special_tokens(vec![(end.clone(), id)])
                .build();
            tokenizer.with_post_processor(Some(start.map_err(|error| TokenizerError::damaged(&error))?));
        }
        let definition = tokenizer.to_string(true).map_err(|error| TokenizerError::damaged(&error))?;
        let mut settings = json!({
            "chat_template": training.chat_template,
            "clean_up_tokenization_spaces": false,
            "eos_token": training.eos_token,
            "tokenizer_class": "PreTrainedTokenizerFast",
        });
        if let Some(pad) = &training.pad_token {
            settings["pad_token"] = pad.as_str().into();
        }
        let files = [(TOKENIZER, definition), (TOKENIZER_CONFIG, format!("{settings:#}\n"))];
        Self::from_files(Folder::in_memory(files.map(|(name, text)| (name, text.into_bytes())).into()))
    }
}
