//! Byte-level tokenizers in Hugging Face's formats.

mod decoder;
mod definition;
mod error;
mod pieces;
mod train;

use std::{fs, path::Path};

use serde::Deserialize;
use tokenizers::AddedToken;

pub use decoder::Decoder;
pub use error::TokenizerError;
pub use train::Training;

use crate::{
    files::{FileError, Folder},
    settings::{SPECIAL_TOKENS_MAP, Settings, TOKENIZER_CONFIG},
};
use definition::{TOKENIZER, VOCABULARY, check_ids};
use pieces::Pieces;

/// Name of the file that lists the tokens at which generation stops.
const GENERATION_CONFIG: &str = "generation_config.json";
/// Name of the file with the chat template.
pub(crate) const CHAT_TEMPLATE: &str = "chat_template.jinja";
/// Name of a file that extends GPT-2's vocabulary.
const ADDED_TOKENS: &str = "added_tokens.json";

/// The files of a tokenizer. Those that a folder has are read and saved.
const FILES: [&str; 8] = [
    TOKENIZER,
    VOCABULARY.0,
    VOCABULARY.1,
    TOKENIZER_CONFIG,
    SPECIAL_TOKENS_MAP,
    ADDED_TOKENS,
    GENERATION_CONFIG,
    CHAT_TEMPLATE,
];

/// The token that ends a text if a folder has GPT-2's two files and no settings.
const GPT2_END: &str = "<|endoftext|>";

/// A tokenizer: byte-pair encoding of the bytes of a text.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// The same, except that special tokens in a text are not recognised.
    plain: tokenizers::Tokenizer,
    pieces: Pieces,
    start: Vec<u32>,
    ends: Vec<u32>,
    pad: Option<u32>,
    files: Folder,
}

/// The part of `generation_config.json` that is used.
#[derive(Default, Deserialize)]
struct Generation {
    eos_token_id: Option<Ids>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "`eos_token_id` must be the id of a token, or a list of them")]
enum Ids {
    One(u32),
    Several(Vec<u32>),
}

impl Tokenizer {
    /// Loads the tokenizer of a folder: `tokenizer.json`, or GPT-2's `vocab.json` and `merges.txt`; and
    /// `tokenizer_config.json`, `special_tokens_map.json` and `generation_config.json` if they are there.
    ///
    /// # Errors
    /// [`TokenizerError`] if a file is missing or cannot be read, if the tokenizer is not byte-level byte-pair
    /// encoding, or if the files contradict each other.
    pub fn load(folder: &Path) -> Result<Self, TokenizerError> {
        Self::from_files(Folder::read(folder, &FILES)?)
    }

    fn from_files(files: Folder) -> Result<Self, TokenizerError> {
        let mut settings = Settings::parse(&files)?;
        let Some(mut inner) = definition::parse(&files)? else {
            return Err(TokenizerError::NoTokenizer { folder: files.path("") });
        };
        if files.bytes(TOKENIZER).is_none() {
            if files.bytes(ADDED_TOKENS).is_some() {
                return Err(TokenizerError::UnsupportedFile { path: files.path(ADDED_TOKENS) });
            }
            if settings.special.is_empty() && inner.token_to_id(GPT2_END).is_some() {
                settings.special.insert("eos_token", GPT2_END.into());
            }
        }
        // A text is encoded whole, without padding and without tokens around it; those before it are kept in mind.
        inner.with_padding(None).with_truncation(None).map_err(|error| TokenizerError::damaged(&error))?;
        let start = start(&inner);
        inner.with_post_processor(None::<tokenizers::PostProcessorWrapper>);
        add_special(&mut inner, &settings)?;
        check_ids(&inner, settings.added_tokens.iter().map(|(id, token)| (*id, &**token)))?;

        let mut plain = inner.clone();
        plain.set_encode_special_tokens(true);
        let pieces = Pieces::new(&inner)?;
        let mut tokenizer = Self { inner, plain, pieces, start, ends: Vec::new(), pad: None, files };
        tokenizer.check_prefix(&settings)?;
        tokenizer.ends = tokenizer.find_ends(&settings)?;
        tokenizer.pad = settings.special.get("pad_token").and_then(|token| tokenizer.token(token));
        Ok(tokenizer)
    }

    /// Checks that the two places of the setting `add_prefix_space` agree.
    fn check_prefix(&self, settings: &Settings) -> Result<(), TokenizerError> {
        let adds_space = self.decode(&self.encode("a"))?.starts_with(' ');
        match settings.add_prefix_space {
            Some(wanted) if wanted != adds_space => {
                let (value, supported) = (wanted.to_string(), format!("{adds_space}, as in the file `{TOKENIZER}`"));
                Err(TokenizerError::Unsupported { key: "add_prefix_space", value, supported })
            }
            _ => Ok(()),
        }
    }

    /// Returns the tokens that end a text: `eos_token` first.
    fn find_ends(&self, settings: &Settings) -> Result<Vec<u32>, TokenizerError> {
        let mut ends: Vec<_> =
            settings.special.get("eos_token").and_then(|token| self.token(token)).into_iter().collect();
        let generation: Generation = self.files.json(GENERATION_CONFIG)?.unwrap_or_default();
        let more = match generation.eos_token_id {
            None => Vec::new(),
            Some(Ids::One(id)) => vec![id],
            Some(Ids::Several(ids)) => ids,
        };
        for id in more {
            self.pieces.get(id).map_err(|error| {
                TokenizerError::damaged(&format_args!("`eos_token_id` in `{GENERATION_CONFIG}`: {error}"))
            })?;
            if !ends.contains(&id) {
                ends.push(id);
            }
        }
        Ok(ends)
    }

    /// True if another tokenizer turns every text into the same tokens: it has the same definition.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let [ours, theirs] = [self, other].map(|tokenizer| tokenizer.inner.to_string(false).ok());
        ours.is_some() && ours == theirs
    }

    /// Saves the files of the tokenizer, byte for byte as they were loaded. The folder is made if it does not exist.
    ///
    /// # Errors
    /// [`TokenizerError`] if a file cannot be written, or if the folder has a file of another tokenizer that would be
    /// loaded together with these.
    pub fn save(&self, folder: &Path) -> Result<(), TokenizerError> {
        fs::create_dir_all(folder).map_err(|source| FileError::Write { path: folder.into(), source })?;
        let is_foreign =
            |name: &&&str| self.files.bytes(name).is_none() && folder.join(name).symlink_metadata().is_ok();
        if let Some(name) = FILES.iter().find(is_foreign) {
            return Err(TokenizerError::OtherTokenizer { path: folder.join(name) });
        }
        Ok(self.files.write_to(folder)?)
    }

    /// Encodes a text. Special tokens that are written out in the text are recognised, and none are added. Bytes that
    /// have no token are left out, as `transformers` does; see [`first_inexpressible`](Self::first_inexpressible).
    #[must_use]
    pub fn encode(&self, text: &str) -> Vec<u32> {
        encode(&self.inner, text)
    }

    /// Encodes a text as [`encode`](Self::encode) does, except that special tokens that are written out in it are
    /// ordinary text: for text that is not trusted to end a turn of a conversation.
    #[must_use]
    pub fn encode_plain(&self, text: &str) -> Vec<u32> {
        encode(&self.plain, text)
    }

    /// Returns the text of tokens, special ones included, without any clean-up. Bytes that are not part of a character
    /// become U+FFFD.
    ///
    /// # Errors
    /// [`TokenizerError::UnknownId`] if there is no token with one of the ids.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        let mut bytes = Vec::new();
        for id in ids {
            bytes.extend_from_slice(self.pieces.get(*id)?);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Returns a decoder for a sequence that grows token by token.
    #[must_use]
    pub fn decoder(&self) -> Decoder<'_> {
        Decoder::new(self)
    }

    /// Returns the first character of a text that [`encode`](Self::encode) cannot express because one of its bytes has
    /// no token. `None` if the text can be encoded without loss.
    #[must_use]
    pub fn first_inexpressible(&self, text: &str) -> Option<char> {
        self.pieces.first_inexpressible(text)
    }

    /// Returns the number of ids, added tokens included: one more than the largest id.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.pieces.len()
    }

    /// Returns the token that ends a text: `eos_token` of the settings, or else the first of `generation_config.json`.
    #[must_use]
    pub fn end(&self) -> Option<u32> {
        self.ends.first().copied()
    }

    /// Returns the token that ends a text, for callers that need one.
    ///
    /// # Errors
    /// [`TokenizerError::NoEnd`] if the tokenizer has none.
    pub fn required_end(&self) -> Result<u32, TokenizerError> {
        self.end().ok_or(TokenizerError::NoEnd)
    }

    /// Returns the token with which other programs fill up batches (`pad_token`), if there is one. Here nothing is padded.
    #[must_use]
    pub fn pad(&self) -> Option<u32> {
        self.pad
    }

    /// Returns the tokens that `transformers` puts before a text that is not a conversation, according to the post-processor of
    /// `tokenizer.json`. There may be none.
    #[must_use]
    pub fn start(&self) -> &[u32] {
        &self.start
    }

    /// Returns all tokens at which generation stops: [`end`](Self::end), and those of `generation_config.json`.
    #[must_use]
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// Returns the id of a token. Tokens that are not special are spelled as in the vocabulary (`Ġ` for a space).
    #[must_use]
    pub fn token(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }
}

fn encode(tokenizer: &tokenizers::Tokenizer, text: &str) -> Vec<u32> {
    let encoding = tokenizer.encode_fast(text, false);
    encoding.expect("byte-pair encoding fails only without its unknown token, which was checked").get_ids().to_vec()
}

/// Returns the tokens that the post-processor puts before a text.
fn start(tokenizer: &tokenizers::Tokenizer) -> Vec<u32> {
    let encode = |special: bool| tokenizer.encode_fast("a", special).map(|encoding| encoding.get_ids().to_vec());
    let (Ok(with), Ok(without)) = (encode(true), encode(false)) else { return Vec::new() };
    let at = with.windows(without.len().max(1)).position(|part| part == without);
    with[..at.unwrap_or(0)].to_vec()
}

/// Makes the special tokens of the settings known, as `transformers` does: a token of the vocabulary is then recognised
/// in a text.
fn add_special(tokenizer: &mut tokenizers::Tokenizer, settings: &Settings) -> Result<(), TokenizerError> {
    for (key, token) in &settings.special {
        let Some(id) = tokenizer.token_to_id(token) else {
            return Err(TokenizerError::NoSuchToken { key, token: token.clone() });
        };
        if !tokenizer.get_added_vocabulary().get_added_tokens_decoder().contains_key(&id) {
            let added = tokenizer.add_special_tokens([AddedToken::from(token.as_str(), true)]);
            added.map_err(|error| TokenizerError::damaged(&error))?;
        }
    }
    Ok(())
}
