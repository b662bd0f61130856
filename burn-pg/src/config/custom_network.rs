//! Settings of networks that are not in this crate.

use burn_pg_envs::UnknownName;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use toml::{Table, Value};

use super::{
    ConfigError,
    reading::whole,
    shape::{Table as TableShape, joined},
};
use crate::policy::EncoderSpec;

/// A network of the program that reads the configuration: the name of its kind, and its own settings.
///
/// ```
/// use burn_pg::config::{Config, CustomNetwork};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// #[serde(default)]
/// struct Residual {
///     width: usize,
///     blocks: usize,
/// }
/// # impl Default for Residual {
/// #     fn default() -> Self {
/// #         Self { width: 64, blocks: 2 }
/// #     }
/// # }
///
/// let config = Config::from_table("network = { kind = 'residual', width = 128 }".parse()?)?;
/// let network = config.network.custom.expect("`residual` is not a network of burn-pg");
/// let settings: Residual = network.settings()?;
/// assert_eq!((settings.width, settings.blocks), (128, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CustomNetwork {
    /// The name of the kind.
    pub kind: String,
    /// Its settings.
    #[serde(flatten)]
    pub settings: Table,
}

impl CustomNetwork {
    /// Reads the table `network` of a configuration; `None` if its kind is one of this crate, or is not a text.
    pub(super) fn of_table(settings: &Table) -> Option<Self> {
        let kind = settings.get("kind")?.as_str().filter(|kind| !EncoderSpec::KINDS.contains(kind))?.to_owned();
        let mut settings = settings.clone();
        settings.remove("kind");
        Some(Self { kind, settings })
    }

    /// Returns the settings as a type of the program, with its defaults for those that are not given.
    ///
    /// # Errors
    /// [`ConfigError`] if a value has the wrong type, or a setting is missing or unknown: one that the type does not
    /// write when it is serialised.
    pub fn settings<S: Serialize + DeserializeOwned>(&self) -> Result<S, ConfigError> {
        let read = serde_path_to_error::deserialize(Value::Table(self.settings.clone()));
        let read = read.or_else(|error| Value::Table(with_whole_numbers(&self.settings)).try_into().map_err(|_| error));
        let read: S = read.map_err(|error| self.refused(&error.path().to_string(), error.inner().message()))?;
        let known = Table::try_from(&read).unwrap_or_default();
        match self.settings.keys().find(|name| !known.contains_key(*name)) {
            None => Ok(read),
            Some(name) if TableShape::of_config().field("network").is_some_and(|network| network.has(name)) => {
                let reason = format!("it is for the networks of burn-pg, and `{}` has no such setting", self.kind);
                Err(ConfigError::NotRead { key: joined("network", name), reason })
            }
            Some(name) => {
                let nearest = UnknownName::new("setting", name, known.keys()).nearest;
                let nearest = nearest.map(|name| joined("network", &name));
                Err(ConfigError::UnknownKey { key: joined("network", name), nearest })
            }
        }
    }

    /// Fills in the defaults of the network's settings.
    ///
    /// # Errors
    /// As [`settings`](Self::settings).
    pub fn resolved<S: Serialize + DeserializeOwned>(&self) -> Result<Self, ConfigError> {
        let settings = Table::try_from(self.settings::<S>()?);
        let settings =
            settings.map_err(|error| ConfigError::Invalid { key: "network".into(), reason: error.to_string() })?;
        Ok(Self { kind: self.kind.clone(), settings })
    }

    /// Returns the error for a setting that serde refused.
    fn refused(&self, path: &str, message: &str) -> ConfigError {
        let (said, expected) = message.split_once(", expected ").unwrap_or((message, "another value"));
        if let Some(name) = said.strip_prefix("missing field `").and_then(|rest| rest.split_once('`')) {
            return ConfigError::Missing { key: joined("network", name.0), expected: "given".into() };
        }
        let value = path.split('.').try_fold(None, |table: Option<&Value>, name| {
            Some(table.map_or_else(|| self.settings.get(name), |table| table.get(name)))
        });
        let key = joined("network", path);
        match value.flatten() {
            Some(value) if message.contains(", expected ") => {
                ConfigError::Value { key, value: value.to_string(), expected: in_words(expected).into() }
            }
            _ => ConfigError::NotRead { key, reason: message.trim().into() },
        }
    }
}

/// Returns the settings with integers in place of whole numbers such as `1e2`.
fn with_whole_numbers(settings: &Table) -> Table {
    let converted = |value: &Value| value.as_float().and_then(whole).map_or_else(|| value.clone(), Value::Integer);
    settings.iter().map(|(name, value)| (name.clone(), converted(value))).collect()
}

/// Returns what serde expects without the names of Rust's types.
fn in_words(expected: &str) -> &str {
    match expected.trim() {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" => "a text",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Layers, full_key, read};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Wide {
        width: u32,
        #[serde(default)]
        scale: f64,
        #[serde(default)]
        norm: Norm,
    }

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Norm {
        #[default]
        Layer,
        Batch,
    }

    fn wide(text: &str) -> Result<Wide, ConfigError> {
        let config = read(&format!("network = {{ kind = 'wide', {text} }}"))?;
        config.network.custom.clone().expect("not one of ours").settings()
    }

    #[test]
    fn settings_are_read_with_the_defaults_of_their_type() {
        let expected = Wide { width: 3, scale: 0.5, norm: Norm::Layer };
        assert_eq!(wide("width = 3, scale = 0.5").unwrap(), expected);
        assert_eq!(wide("width = 1e2").unwrap().width, 100);
        let config = read("network = { kind = 'wide', width = 3 }").unwrap();
        let resolved = config.network.custom.as_ref().unwrap().resolved::<Wide>().unwrap();
        assert_eq!(resolved.settings, "width = 3\nscale = 0.0\nnorm = 'layer'".parse().unwrap());
    }

    #[test]
    fn settings_are_refused_by_name() {
        for (text, message) in [
            ("width = -1", "`network.width` is -1; it must be a whole number, 0 or more"),
            ("width = 'a'", "`network.width` is \"a\"; it must be a whole number, 0 or more"),
            ("width = 1, scale = 'a'", "`network.scale` is \"a\"; it must be a number"),
            ("width = 1, norm = 'none'", "`network.norm` is \"none\"; it must be `layer` or `batch`"),
            ("scale = 1", "`network.width` is missing; it must be given"),
            ("width = 1, scael = 1", "there is no setting `network.scael`; did you mean `network.scale`?"),
            (
                "width = 1, hidden_sizes = [1]",
                "`network.hidden_sizes` is not read: it is for the networks of burn-pg, and `wide` has no such setting",
            ),
        ] {
            assert_eq!(wide(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_custom_network_is_written_and_read_back() {
        let config = read("network = { kind = 'wide', width = 3 }").unwrap();
        assert!(config.to_toml().contains("[network]\nkind = \"wide\"\nwidth = 3\n"), "{}", config.to_toml());
        assert_eq!(*read(&config.to_toml()).unwrap(), *config);
        let message = "`network.kind` is \"wide\"; it must be \"mlp\" or \"cnn\"";
        assert_eq!(config.network().unwrap_err().to_string(), message);
    }

    #[test]
    fn a_custom_network_drops_the_settings_of_another_kind() {
        let mut layers = Layers::default();
        layers.push("preset", "network = { hidden_sizes = [8], activation = 'relu' }".parse().unwrap());
        layers.push("--set", "network = { kind = 'wide', width = 3 }".parse().unwrap());
        let network = layers.config().unwrap().network;
        assert_eq!(network.custom.unwrap().settings, "width = 3".parse().unwrap());
        layers.push("--set", "network.kind = 'mlp'".parse().unwrap());
        assert_eq!(layers.config().unwrap(), Config::default());
        assert_eq!(full_key("network.width").unwrap(), "network.width");
    }
}
