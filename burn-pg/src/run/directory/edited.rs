//! Keeps a `config.toml` that was edited.

use std::{fs, path::PathBuf};

use super::{RunDir, RunDirError, WRITTEN_BY};
use crate::{config::Config, storage::durable::copy_beside};

impl RunDir {
    /// Writes the settings of a run that resumes, unless the file has the same ones: its comments then stay. A file that
    /// was edited is first copied to `config.toml.edited` (or `config.toml.edited-2` and so on if that exists). Returns
    /// the copy.
    pub(in crate::run) fn rewrite_config(&self, config: &Config) -> Result<Option<PathBuf>, RunDirError> {
        let path = self.config_path();
        let text = fs::read_to_string(&path).unwrap_or_default();
        let written = text.parse().ok().and_then(|settings| Config::from_table(settings).ok());
        if written.as_ref().is_some_and(|written| written.to_toml() == config.to_toml()) {
            return Ok(None);
        }
        let is_ours =
            written.is_some_and(|written| is_as_written(&text, &written) && differ_by_options(written, config));
        let copy = match path.exists() && !is_ours {
            true => {
                Some(copy_beside(&path, "edited").map_err(|source| RunDirError::Write { path: path.clone(), source })?)
            }
            false => None,
        };
        self.write_config(config)?;
        Ok(copy)
    }
}

/// True if a text is what a run writes for these settings, by any version.
fn is_as_written(text: &str, settings: &Config) -> bool {
    let first = text.lines().next().filter(|line| line.starts_with(WRITTEN_BY));
    first.is_some_and(|first| text[first.len()..].trim_start() == settings.to_toml())
}

/// True if settings differ at most by those that may change when a run resumes.
fn differ_by_options(mut written: Config, config: &Config) -> bool {
    written.run.total_steps = config.run.total_steps;
    written.run.device = config.run.device;
    written.run.threads = config.run.threads;
    written.to_toml() == config.to_toml()
}
