//! Optional settings, written as the value or as `none`, for `#[serde(with = "optional")]`.

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error},
};

/// The text in a configuration for an optional setting without a value.
pub const NONE: &str = "none";

#[allow(clippy::ref_option)] // the signature that serde calls
pub fn serialize<T: Serialize, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => value.serialize(serializer),
        None => serializer.serialize_str(NONE),
    }
}

pub fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    match toml::Value::deserialize(deserializer)? {
        toml::Value::String(text) if text == NONE => Ok(None),
        value => value.try_into().map(Some).map_err(D::Error::custom),
    }
}
