//! Settings of runs.

use crate::error::{Refused, Result};

/// What messages call the settings of a program.
pub const SETTINGS: &str = "the settings";

/// Reads settings from JSON.
pub fn settings(text: &str) -> Result<toml::Table> {
    let value: serde_json::Value = serde_json::from_str(text)?;
    toml::Table::try_from(without_none(value)).map_err(Refused::from)
}

/// `None` leaves a setting as it is.
fn without_none(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter().filter(|(_, value)| !value.is_null()).map(|(k, v)| (k, without_none(v))).collect(),
        ),
        other => other,
    }
}
