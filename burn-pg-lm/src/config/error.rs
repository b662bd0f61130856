//! Why a configuration is refused.

use std::path::PathBuf;

use serde_json::Value;

use crate::files::FileError;

/// Why the configuration of a model cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The text is not JSON.
    #[error("the configuration is not valid JSON: {reason}")]
    Json {
        /// The reason, with line and column.
        reason: String,
    },
    /// The JSON is not an object.
    #[error("the configuration is not a JSON object")]
    NotAnObject,
    /// A setting is missing.
    #[error("`{key}` is missing; it must be {expected}")]
    Missing {
        /// The setting.
        key: String,
        /// The values that it may have.
        expected: &'static str,
    },
    /// A setting has a value that no model can have.
    #[error("`{key}` is {value}; it must be {expected}")]
    Invalid {
        /// The setting.
        key: String,
        /// Its value.
        value: Value,
        /// The values that it may have.
        expected: String,
    },
    /// A setting has a value that models can have, but this library does not support.
    #[error("`{key}` is {value}; supported: {supported}")]
    Unsupported {
        /// The setting.
        key: String,
        /// Its value.
        value: Value,
        /// The values that are supported.
        supported: String,
    },
    /// A setting has an unknown name.
    #[error("`{key}` is not a known setting of a model; remove it if it does not change what the model computes")]
    Unknown {
        /// The setting.
        key: String,
    },
    /// A size is not a multiple of another one.
    #[error("`{key}` is {size}, which is not a multiple of `{divisor_key}`, {divisor}")]
    Indivisible {
        /// The setting.
        key: &'static str,
        /// Its value.
        size: usize,
        /// The setting that must divide it.
        divisor_key: &'static str,
        /// The value of that setting.
        divisor: usize,
    },
    /// The configuration in a file is refused.
    #[error("{error} (in {})", .path.display())]
    In {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: Box<ConfigError>,
    },
}

impl ConfigError {
    pub(super) fn unsupported(key: &str, value: &Value, supported: &str) -> Self {
        Self::Unsupported { key: key.into(), value: value.clone(), supported: supported.into() }
    }
}
