//! Errors of settings with the places that the settings come from.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};
use burn_pg::config::{ConfigError, ConfigFile, Layer, Layers};

/// Errors of settings, each with the line of the file or the option that the setting comes from.
pub struct Located<'a> {
    file: Option<&'a ConfigFile>,
    /// The settings that the errors are about.
    keys: BTreeSet<String>,
    /// The line of each error that is about the file, and its message.
    found: Vec<(Option<usize>, String)>,
}

impl<'a> Located<'a> {
    pub fn new(file: Option<&'a ConfigFile>) -> Self {
        Self { file, keys: BTreeSet::new(), found: Vec::new() }
    }

    /// Adds errors in the settings of `layers`, one for each setting.
    pub fn add(&mut self, errors: &ConfigError, layers: &Layers) {
        for error in errors.each() {
            if error.key().is_none_or(|key| self.keys.insert(key.into())) {
                self.found.push(self.located(error, layers));
            }
        }
    }

    /// Adds the errors in the names and types of a layer, with the kinds of `layers`.
    pub fn check_layer(&mut self, layer: &Layer, layers: &Layers) {
        if let Err(error) = layers.check(layer) {
            let mut alone = Layers::default();
            alone.push(layer.from.clone(), layer.settings.clone());
            self.add(&error, &alone);
        }
    }

    /// Fails with all errors, if there are any: those of the file first, by their lines.
    pub fn check(&mut self) -> Result<()> {
        self.found.sort_by_key(|(line, _)| line.unwrap_or(usize::MAX));
        let messages: Vec<_> = self.found.iter().map(|(_, message)| message.as_str()).collect();
        match &messages[..] {
            [] => Ok(()),
            [one] => Err(anyhow!("{one}")),
            many => Err(anyhow!("{} settings are wrong:\n  {}", many.len(), many.join("\n  "))),
        }
    }

    fn located(&self, error: &ConfigError, layers: &Layers) -> (Option<usize>, String) {
        let Some(key) = error.key() else { return (None, error.to_string()) };
        // What is missing follows from the kind of its table.
        let kind = match (error, key.rsplit_once('.')) {
            (ConfigError::Missing { .. }, Some((table, _))) => format!("{table}.kind"),
            _ => key.to_owned(),
        };
        let key = kind.as_str();
        let line = |file: &ConfigFile| file.line(key);
        match (self.file, layers.origin(key)) {
            (Some(file), Some(from)) if from == file.path.display().to_string() => (line(file), file.message(error)),
            (Some(file), None) if line(file).is_some() => (line(file), file.message(error)),
            (_, Some(from)) => (None, format!("{error} ({from})")),
            (_, None) => (None, error.to_string()),
        }
    }
}
