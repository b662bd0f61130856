//! Why a tokenizer cannot be used.

use std::path::PathBuf;

use crate::files::FileError;

/// Why a tokenizer cannot be loaded, trained, saved or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// A file cannot be read, parsed or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The folder has none of the files that define a tokenizer.
    #[error("{} has no tokenizer: it needs `tokenizer.json`, or both `vocab.json` and `merges.txt`", .folder.display())]
    NoTokenizer {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder has a file that this library does not support.
    #[error(
        "{} extends the vocabulary in a way that is not supported: load the folder with `transformers` and save it \
         again, which writes `tokenizer.json`",
        .path.display()
    )]
    UnsupportedFile {
        /// The file.
        path: PathBuf,
    },
    /// The tokenizer is of a kind that is not supported.
    #[error("`{key}` of the tokenizer is {value}; supported: {supported}")]
    Unsupported {
        /// The setting in `tokenizer.json`, or in `tokenizer_config.json`.
        key: &'static str,
        /// Its value.
        value: String,
        /// The value that is supported.
        supported: String,
    },
    /// The tokenizer contradicts itself.
    #[error("the tokenizer is damaged: {reason}")]
    Damaged {
        /// What is wrong.
        reason: String,
    },
    /// A setting names a token that does not exist.
    #[error("`{key}` is {token:?}, which is not in the vocabulary; remove the setting or correct it")]
    NoSuchToken {
        /// The setting in `tokenizer_config.json` or `special_tokens_map.json`.
        key: &'static str,
        /// The token.
        token: String,
    },
    /// A token that ends a text is needed, but the tokenizer has none.
    #[error("the tokenizer has no token that ends a text: set `eos_token` in `tokenizer_config.json`")]
    NoEnd,
    /// An id is of no token.
    #[error("there is no token with the id {id}; the largest id is {last}")]
    UnknownId {
        /// The id.
        id: u32,
        /// The largest id.
        last: u32,
    },
    /// A folder in which a tokenizer is saved has a file of another tokenizer.
    #[error("{} belongs to another tokenizer: remove it, or save to another folder", .path.display())]
    OtherTokenizer {
        /// The file.
        path: PathBuf,
    },
    /// A vocabulary is too small.
    #[error("the vocabulary size is {size}; it must be at least {least}, for the bytes and the special tokens")]
    VocabularyTooSmall {
        /// The size.
        size: usize,
        /// The smallest possible size.
        least: usize,
    },
}

impl TokenizerError {
    pub(super) fn damaged(reason: &impl ToString) -> Self {
        Self::Damaged { reason: reason.to_string() }
    }
}
