//! `tokenizer_config.json`: the special tokens of a tokenizer, and its chat template.

use std::collections::BTreeMap;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::files::{FileError, Folder, invalid};

/// Name of the file with a tokenizer's settings.
pub(crate) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
/// Name of the file in which older folders keep the special tokens.
pub(crate) const SPECIAL_TOKENS_MAP: &str = "special_tokens_map.json";
/// The settings that name one special token each.
const SPECIAL: [&str; 7] = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// What the tokenizer and the chat template need of a folder's settings.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// The special tokens, under the names of their settings (`eos_token`).
    pub special: BTreeMap<&'static str, String>,
    /// The chat template, or several of them with names.
    pub chat_template: Option<ChatTemplates>,
    /// Whether a space is put before a text.
    pub add_prefix_space: Option<bool>,
    /// The added tokens, under their ids.
    pub added_tokens: BTreeMap<u32, String>,
}

/// The setting `chat_template`.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "it must be a text, or a list of objects with `name` and `template`")]
pub(crate) enum ChatTemplates {
    /// One template.
    One(String),
    /// Several templates.
    Named(Vec<NamedTemplate>),
}

/// One of several chat templates.
#[derive(Debug, Deserialize)]
pub(crate) struct NamedTemplate {
    pub name: String,
    pub template: String,
}

/// A token: its text, or an object with its text.
#[derive(Deserialize)]
#[serde(untagged, expecting = "it must be a text, or an object with the text as `content`")]
enum Token {
    Text(String),
    Object { content: String },
}

impl Token {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) | Self::Object { content: text } => text,
        }
    }
}

impl Settings {
    /// Parses the settings of a folder. A folder without the files has default settings.
    pub fn parse(folder: &Folder) -> Result<Self, FileError> {
        let mut keys = Keys::new(folder, TOKENIZER_CONFIG)?;
        let added: Option<BTreeMap<u32, Token>> = keys.take("added_tokens_decoder")?;
        let mut settings = Self {
            special: BTreeMap::new(),
            chat_template: keys.take("chat_template")?,
            add_prefix_space: keys.take("add_prefix_space")?,
            added_tokens: added.into_iter().flatten().map(|(id, token)| (id, token.into_text())).collect(),
        };
        for mut keys in [keys, Keys::new(folder, SPECIAL_TOKENS_MAP)?] {
            for key in SPECIAL {
                if let Some(token) = keys.take::<Token>(key)? {
                    settings.special.entry(key).or_insert_with(|| token.into_text());
                }
            }
        }
        Ok(settings)
    }
}

/// The settings in a file.
struct Keys<'a> {
    folder: &'a Folder,
    file: &'a str,
    map: Map<String, Value>,
}

impl<'a> Keys<'a> {
    fn new(folder: &'a Folder, file: &'a str) -> Result<Self, FileError> {
        Ok(Self { folder, file, map: folder.json(file)?.unwrap_or_default() })
    }

    /// Takes a setting; `null` counts as missing.
    fn take<T: DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>, FileError> {
        let value = self.map.remove(key).unwrap_or_default();
        Option::deserialize(value)
            .map_err(|error| invalid(&self.folder.path(self.file), &format_args!("`{key}`: {error}")))
    }
}
