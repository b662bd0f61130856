//! Reading and writing settings as TOML.

use super::{Config, ConfigError};

impl Config {
    /// Reads settings. Missing keys keep their defaults.
    ///
    /// # Errors
    /// [`ConfigError::UnknownKey`] or [`ConfigError::Value`].
    pub fn from_table(table: toml::Table) -> Result<Self, ConfigError> {
        Self::check_keys(&table)?;
        // One key at a time, so that an error can name it.
        for (key, value) in &table {
            let single = toml::Table::from_iter([(key.clone(), value.clone())]);
            if let Err(error) = single.try_into::<Self>() {
                let message = error.to_string();
                let first = message.lines().next().unwrap_or_default();
                return Err(ConfigError::Value(format!("`{key}` = {value}: {first}")));
            }
        }
        table.try_into().map_err(|error: toml::de::Error| ConfigError::Value(error.to_string()))
    }

    /// Returns all settings as TOML, from which the same run can be started again.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a configuration can be written as TOML")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read;

    #[test]
    fn a_resolved_configuration_is_read_back() {
        let config = Config { gamma: 0.5, hidden_sizes: vec![], ..Config::default() };
        assert_eq!(*read(&config.to_toml()).unwrap(), config);
    }

    #[test]
    fn values_that_cannot_be_read_are_refused_by_name() {
        let error = read("algo = \"pppo\"").unwrap_err().to_string();
        assert!(error.contains("unknown algorithm `pppo` (did you mean `ppo`?)"), "{error}");
        let error = read("activation = \"tahn\"").unwrap_err().to_string();
        assert!(error.contains("tanh"), "{error}");
        let error = read("gamma = \"high\"").unwrap_err().to_string();
        assert!(error.starts_with("`gamma` = \"high\": "), "{error}");
        let error = read("num_envs = -1").unwrap_err().to_string();
        assert!(error.starts_with("`num_envs` = -1: "), "{error}");
    }
}
