//! Errors of settings with the places that the settings come from.

use anyhow::{Result, anyhow};
use burn_pg::config::{ConfigError, ConfigFile, Layers};

/// Errors of settings, each with the line of the file or the option that the setting comes from.
pub struct Located<'a> {
    file: Option<&'a ConfigFile>,
    /// The line of each error that is about the file, and its message.
    found: Vec<(Option<usize>, String)>,
}

impl<'a> Located<'a> {
    pub fn new(file: Option<&'a ConfigFile>) -> Self {
        Self { file, found: Vec::new() }
    }

    /// Adds errors in the settings of `layers`, each once.
    pub fn add(&mut self, errors: &ConfigError, layers: &Layers) {
        for error in errors.each() {
            let located = self.located(error, layers);
            if !self.found.contains(&located) {
                self.found.push(located);
            }
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
        let line = |file: &ConfigFile| file.line(key);
        match (self.file, layers.origin(key)) {
            (Some(file), Some(from)) if from == file.path.display().to_string() => (line(file), file.message(error)),
            (Some(file), None) if line(file).is_some() => (line(file), file.message(error)),
            (_, Some(from)) => (None, format!("{error} ({from})")),
            (_, None) => (None, error.to_string()),
        }
    }
}
