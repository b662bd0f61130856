//! The files that define a tokenizer, and what they must not contain.

use std::{collections::HashMap, path::Path};

use serde::Deserialize;
use serde_json::{Value, json};

use super::TokenizerError;
use crate::files::{self, Folder, invalid};

/// Name of the file that defines a tokenizer.
pub(super) const TOKENIZER: &str = "tokenizer.json";
/// Names of the two files that define GPT-2's tokenizer.
pub(super) const VOCABULARY: (&str, &str) = ("vocab.json", "merges.txt");

/// The parts of `tokenizer.json` that are checked.
#[derive(Deserialize)]
struct Definition {
    model: Model,
    #[serde(default)]
    added_tokens: Vec<Added>,
}

#[derive(Deserialize)]
struct Model {
    vocab: HashMap<String, u32>,
    merges: Vec<Merge>,
    unk_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "each of `merges` must be two tokens")]
enum Merge {
    Pair(String, String),
    Text(String),
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    content: String,
}

/// Parses the definition of a tokenizer in a folder, or returns `None` if there is none.
pub(super) fn parse(folder: &Folder) -> Result<Option<tokenizers::Tokenizer>, TokenizerError> {
    if let Some(bytes) = folder.bytes(TOKENIZER) {
        return from_json(&folder.path(TOKENIZER), bytes).map(Some);
    }
    let (vocab, merges) = VOCABULARY;
    let (Some(vocab), Some(merges)) = (folder.json::<Value>(vocab)?, folder.text(merges)?) else {
        return Ok(None);
    };
    let merges = merges_of(merges)?;
    let byte_level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let definition = json!({
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": byte_level,
        "decoder": byte_level,
        "model": {"type": "BPE", "vocab": vocab, "merges": merges},
    });
    from_json(&folder.path(VOCABULARY.0), definition.to_string().as_bytes()).map(Some)
}

/// Returns the merges in the text of a `merges.txt`. Its first line is a comment.
fn merges_of(text: &str) -> Result<Vec<&str>, TokenizerError> {
    let mut merges = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with("#version") {
            continue;
        }
        if line.split(' ').count() != 2 {
            let reason =
                format_args!("line {} of `{}` is not two tokens with a space between them", index + 1, VOCABULARY.1);
            return Err(TokenizerError::damaged(&reason));
        }
        merges.push(line);
    }
    Ok(merges)
}

/// Parses a `tokenizer.json`. Errors name the file `path`.
fn from_json(path: &Path, bytes: &[u8]) -> Result<tokenizers::Tokenizer, TokenizerError> {
    let value: Value = files::json(path, bytes)?;
    refuse_other_kinds(&value)?;
    let definition = Definition::deserialize(value).map_err(|error| invalid(path, &error))?;
    check_model(&definition.model)?;
    let tokenizer = tokenizers::Tokenizer::from_bytes(bytes).map_err(|error| invalid(path, &error))?;
    check_ids(&tokenizer, definition.added_tokens.iter().map(|token| (token.id, &*token.content)))?;
    Ok(tokenizer)
}

/// Refuses models that are not byte-pair encoding of bytes, and encoding that is random.
fn refuse_other_kinds(definition: &Value) -> Result<(), TokenizerError> {
    for (key, shown, supported) in [
        ("type", "model.type", json!("BPE")),
        ("dropout", "model.dropout", json!(0.0)),
        ("byte_fallback", "model.byte_fallback", json!(false)),
        ("continuing_subword_prefix", "model.continuing_subword_prefix", json!("")),
        ("end_of_word_suffix", "model.end_of_word_suffix", json!("")),
    ] {
        let value = &definition["model"][key];
        if !value.is_null() && *value != supported {
            let (value, supported) = (value.to_string(), supported.to_string());
            return Err(TokenizerError::Unsupported { key: shown, value, supported });
        }
    }
    let is_byte_level = |decoder: &Value| decoder["type"] == "ByteLevel";
    let decoder = &definition["decoder"];
    let parts = decoder["decoders"].as_array();
    match is_byte_level(decoder) || parts.is_some_and(|parts| !parts.is_empty() && parts.iter().all(is_byte_level)) {
        true => Ok(()),
        false => {
            let (value, supported) = (decoder.to_string(), "\"ByteLevel\"".into());
            Err(TokenizerError::Unsupported { key: "decoder", value, supported })
        }
    }
}

/// Refuses a model that the crate `tokenizers` would panic on, or that cannot encode every text.
fn check_model(model: &Model) -> Result<(), TokenizerError> {
    for merge in &model.merges {
        let merged = match merge {
            Merge::Pair(a, b) => format!("{a}{b}"),
            Merge::Text(text) => text.replacen(' ', "", 1),
        };
        if !model.vocab.contains_key(&merged) {
            return Err(TokenizerError::damaged(&format_args!(
                "merges make {merged:?}, which is not in the vocabulary"
            )));
        }
    }
    match &model.unk_token {
        Some(token) if !model.vocab.contains_key(token) => Err(TokenizerError::damaged(&format_args!(
            "`model.unk_token` is {token:?}, which is not in the vocabulary"
        ))),
        _ => Ok(()),
    }
}

/// Checks that tokens have the ids that a file gives them. The crate `tokenizers` gives an added token the next free
/// id, whatever the file says.
pub(super) fn check_ids<'a>(
    tokenizer: &tokenizers::Tokenizer,
    expected: impl IntoIterator<Item = (u32, &'a str)>,
) -> Result<(), TokenizerError> {
    for (expected, token) in expected {
        let id = tokenizer.token_to_id(token);
        if id != Some(expected) {
            let id = id.map_or_else(|| "no id".into(), |id| format!("the id {id}"));
            return Err(TokenizerError::damaged(&format_args!("{token:?} must have the id {expected}, but has {id}")));
        }
    }
    Ok(())
}
