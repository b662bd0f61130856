//! Configurations of models, as `config.json` of a Hugging Face folder has them.
//!
//! A setting that changes what the model computes is either supported or refused, and so is a setting of an unknown
//! name: a model never runs with other arithmetic than it was trained with.

mod error;
mod gpt2;
mod harmless;
mod keys;
mod llama;

use std::path::Path;

use serde_json::Value;

pub use error::ConfigError;
pub use gpt2::Gpt2Config;
pub use llama::LlamaConfig;

use crate::files;
use keys::Keys;

/// Name of the file with a model's configuration.
pub(crate) const FILE: &str = "config.json";

/// The configuration of a causal language model.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelConfig {
    /// A model of the GPT-2 family.
    Gpt2(Gpt2Config),
    /// A model of the Llama family.
    Llama(LlamaConfig),
}

impl ModelConfig {
    /// Reads `config.json` in a folder.
    ///
    /// # Errors
    /// [`ConfigError`] if the file cannot be read, or describes a model that is not supported.
    pub fn load(folder: &Path) -> Result<Self, ConfigError> {
        let path = folder.join(FILE);
        let config = Self::from_value(files::json(&path, &files::read(&path)?)?);
        config.map_err(|error| ConfigError::In { path, error: Box::new(error) })
    }

    /// Parses the text of a `config.json`.
    ///
    /// # Errors
    /// [`ConfigError`] if the text is not JSON, or describes a model that is not supported.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Self::from_value(serde_json::from_str(text).map_err(|error| ConfigError::Json { reason: error.to_string() })?)
    }

    fn from_value(value: Value) -> Result<Self, ConfigError> {
        let Value::Object(map) = value else {
            return Err(ConfigError::NotAnObject);
        };
        let mut keys = Keys::new(map);
        match keys.text("model_type")?.as_str() {
            "gpt2" => gpt2::parse(keys).map(Self::Gpt2),
            "llama" => llama::parse(keys).map(Self::Llama),
            other => Err(ConfigError::unsupported("model_type", &other.into(), "\"gpt2\" or \"llama\"")),
        }
    }

    /// Writes `config.json` into a folder.
    ///
    /// # Errors
    /// [`ConfigError::File`] if the file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), ConfigError> {
        Ok(files::write(&folder.join(FILE), self.to_json().as_bytes())?)
    }

    /// Saves the configuration for a model that gives a score in place of tokens.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub fn save_for_scores(&self, folder: &Path) -> Result<(), ConfigError> {
        let (mut value, class) = match self {
            Self::Gpt2(config) => (config.to_value(), gpt2::SCORES),
            Self::Llama(config) => (config.to_value(), llama::SCORES),
        };
        value["architectures"] = serde_json::json!([class]);
        // A single label; `transformers` keeps their number in the size of this table.
        value["id2label"] = serde_json::json!({ "0": "score" });
        Ok(files::write(&folder.join(FILE), format!("{value:#}\n").as_bytes())?)
    }

    /// Returns the text of a `config.json` that [`parse`](Self::parse) and Hugging Face's `transformers` read.
    #[must_use]
    pub fn to_json(&self) -> String {
        let value = match self {
            Self::Gpt2(config) => config.to_value(),
            Self::Llama(config) => config.to_value(),
        };
        format!("{value:#}\n")
    }

    /// Returns the number of tokens that the model knows: the length of its logits.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        match self {
            Self::Gpt2(config) => config.vocab_size,
            Self::Llama(config) => config.vocab_size,
        }
    }

    /// Returns the length of the longest sequence, in tokens.
    #[must_use]
    pub fn max_positions(&self) -> usize {
        match self {
            Self::Gpt2(config) => config.max_positions,
            Self::Llama(config) => config.max_positions,
        }
    }

    /// Returns the width of the hidden state of a token.
    #[must_use]
    pub fn hidden_size(&self) -> usize {
        match self {
            Self::Gpt2(config) => config.hidden_size,
            Self::Llama(config) => config.hidden_size,
        }
    }

    /// Returns the number of transformer blocks.
    #[must_use]
    pub fn layers(&self) -> usize {
        match self {
            Self::Gpt2(config) => config.layers,
            Self::Llama(config) => config.layers,
        }
    }

    /// Returns true if the embedding of the tokens is also the weight of the output layer.
    #[must_use]
    pub fn tied_embeddings(&self) -> bool {
        match self {
            Self::Gpt2(config) => config.tied_embeddings,
            Self::Llama(config) => config.tied_embeddings,
        }
    }

    /// Returns the token that starts a text, if there is one.
    #[must_use]
    pub fn bos(&self) -> Option<u32> {
        match self {
            Self::Gpt2(config) => config.bos,
            Self::Llama(config) => config.bos,
        }
    }

    /// Returns the tokens that end a text. There may be none.
    #[must_use]
    pub fn eos(&self) -> &[u32] {
        match self {
            Self::Gpt2(config) => &config.eos,
            Self::Llama(config) => &config.eos,
        }
    }

    /// Returns the token with which other programs fill up batches, if there is one.
    #[must_use]
    pub fn pad(&self) -> Option<u32> {
        match self {
            Self::Gpt2(config) => config.pad,
            Self::Llama(config) => config.pad,
        }
    }

    /// Sets the token with which other programs fill up batches.
    #[must_use]
    pub fn with_pad(mut self, pad: Option<u32>) -> Self {
        match &mut self {
            Self::Gpt2(config) => config.pad = pad,
            Self::Llama(config) => config.pad = pad,
        }
        self
    }
}

/// Returns the ids of tokens as `transformers` writes them: nothing, one id, or a list.
fn one_or_list(ids: &[u32]) -> Value {
    match ids {
        [] => Value::Null,
        [id] => (*id).into(),
        several => several.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the error for a configuration in which one setting is replaced.
    pub fn refusal(text: &str, key: &str, value: Value) -> String {
        let mut config: Value = serde_json::from_str(text).unwrap();
        config[key] = value;
        ModelConfig::parse(&config.to_string()).unwrap_err().to_string()
    }

    #[test]
    fn other_models_are_refused_by_name() {
        let error = ModelConfig::parse(r#"{"model_type": "bert"}"#).unwrap_err();
        assert_eq!(error.to_string(), "`model_type` is \"bert\"; supported: \"gpt2\" or \"llama\"");
        let error = ModelConfig::parse("{}").unwrap_err();
        assert_eq!(error.to_string(), "`model_type` is missing; it must be a text");
        assert!(matches!(ModelConfig::parse("[]"), Err(ConfigError::NotAnObject)));
        assert!(matches!(ModelConfig::parse("{"), Err(ConfigError::Json { .. })));
    }

    #[test]
    fn a_folder_is_written_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(ModelConfig::load(folder.path()), Err(ConfigError::File(_))));
        let config = ModelConfig::parse(llama::tests::SMOLLM2).unwrap();
        config.save(folder.path()).unwrap();
        assert_eq!(ModelConfig::load(folder.path()).unwrap(), config);

        std::fs::write(folder.path().join(FILE), r#"{"model_type": 3}"#).unwrap();
        let error = ModelConfig::load(folder.path()).unwrap_err().to_string();
        assert!(error.starts_with("`model_type` is 3; it must be a text (in ") && error.ends_with("config.json)"));
    }
}
