//! Files of settings, with the lines on which settings stand.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use toml::{
    Table,
    de::{DeTable, DeValue},
};

use super::{ConfigError, shape::joined};
use crate::storage::durable::refuse_other_than_file;

/// A TOML file of settings. Its keys are not checked.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigFile {
    /// The file.
    pub path: PathBuf,
    /// Its settings.
    pub settings: Table,
    /// The line of each key, counted from 1.
    lines: BTreeMap<String, usize>,
}

/// Why a file of settings cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigFileError {
    /// The file cannot be read.
    #[error("{} cannot be read", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("{} is not valid TOML: line {line}: {reason}", .path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The reason.
        reason: String,
    },
}

impl ConfigFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigFileError`] if `path` is not a regular file, or is not valid TOML.
    pub fn read(path: &Path) -> Result<Self, ConfigFileError> {
        let bytes = refuse_other_than_file(path).and_then(|()| fs::read(path));
        let bytes = bytes.map_err(|source| ConfigFileError::Read { path: path.into(), source })?;
        match str::from_utf8(&bytes) {
            Ok(text) => Self::parse(path, text),
            Err(error) => {
                let line = bytes[..error.valid_up_to()].split(|&byte| byte == b'\n').count();
                Err(ConfigFileError::Toml { path: path.into(), line, reason: "it is not text in UTF-8".into() })
            }
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ConfigFileError> {
        let line = |at: usize| 1 + text.bytes().take(at).filter(|&byte| byte == b'\n').count();
        let failed = |error: toml::de::Error| ConfigFileError::Toml {
            path: path.into(),
            line: line(error.span().map_or(0, |span| span.start)),
            reason: in_words(error.message()),
        };
        let settings = text.parse().map_err(failed)?;
        let mut lines = BTreeMap::new();
        visit(DeTable::parse(text).map_err(failed)?.get_ref(), "", &mut |key, at| {
            lines.insert(key, line(at));
        });
        Ok(Self { path: path.into(), settings, lines })
    }

    /// Returns the line of a key, or of the table that it is missing in, counted from 1.
    #[must_use]
    pub fn line(&self, key: &str) -> Option<usize> {
        let outer = |key: &str| key.rsplit_once('.').map(|(outer, _)| outer.to_owned());
        let mut keys = std::iter::successors(Some(key.to_owned()), |key| outer(key));
        keys.find_map(|key| self.lines.get(&key).copied())
    }

    /// Returns the message of an error, with the line of each key that is in this file, in the order of the lines.
    #[must_use]
    pub fn message(&self, error: &ConfigError) -> String {
        let line = |error: &ConfigError| error.key().and_then(|key| self.line(key));
        let mut errors: Vec<_> = error.each().iter().collect();
        errors.sort_by_key(|error| line(error).unwrap_or(usize::MAX));
        let each = errors.into_iter().map(|error| match line(error) {
            Some(line) => format!("{error} ({}, line {line})", self.path.display()),
            None => error.to_string(),
        });
        let each: Vec<_> = each.collect();
        match &each[..] {
            [one] => one.clone(),
            many => format!("{} settings are wrong:\n  {}", many.len(), many.join("\n  ")),
        }
    }
}

/// Returns what is wrong with a file without the names of Rust's types.
fn in_words(message: &str) -> String {
    match message.contains("value was too large") || message.contains(" as i128") {
        true => "a whole number must be between -2^63 and 2^63 - 1".into(),
        false => message.into(),
    }
}

/// Calls a function with each key and the place where it stands.
fn visit(table: &DeTable<'_>, path: &str, found: &mut impl FnMut(String, usize)) {
    for (name, value) in table {
        let key = joined(path, name.get_ref());
        found(key.clone(), name.span().start);
        visit_value(value.get_ref(), &key, found);
    }
}

fn visit_value(value: &DeValue<'_>, key: &str, found: &mut impl FnMut(String, usize)) {
    match value {
        DeValue::Table(inner) => visit(inner, key, found),
        DeValue::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                let key = format!("{key}[{at}]");
                found(key.clone(), item.span().start);
                visit_value(item.get_ref(), &key, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn errors_name_the_file_and_the_line() {
        let text = "[algorithm]\ngamma = 'high'\n\n[[algorithm.loss]]\nweight = 1\nterm = { kind = 'entropi' }\n[env]\nnum = 1\n";
        let file = ConfigFile::parse("run.toml".as_ref(), text).unwrap();
        let of = |file: &ConfigFile| file.message(&Config::from_table(file.settings.clone()).unwrap_err());
        let message = of(&file);
        assert!(message.starts_with("3 settings are wrong:\n  "), "{message}");
        for part in [
            "`algorithm.gamma` is \"high\"; it must be a number (run.toml, line 2)",
            "term.kind",
            "(run.toml, line 6)",
            "`env.num`; did",
            "(run.toml, line 8)",
        ] {
            assert!(message.contains(part), "{part}: {message}");
        }
        let backwards = "[run]\nseed = -1\n[env]\nnum_envs = 0\n[algorithm]\ngama = 1\n";
        let message = of(&ConfigFile::parse("run.toml".as_ref(), backwards).unwrap());
        let lines: Vec<_> = message.lines().skip(1).map(|line| line.rsplit(' ').next().unwrap()).collect();
        assert_eq!(lines, ["2)", "4)", "6)"], "{message}");
        let large =
            ConfigFile::parse("run.toml".as_ref(), "[run]\nseed = 9223372036854775808\n").unwrap_err().to_string();
        let expected = "run.toml is not valid TOML: line 2: a whole number must be between -2^63 and 2^63 - 1";
        assert_eq!(large, expected);
        let error = ConfigFile::parse("run.toml".as_ref(), "[env]\nname =\n").unwrap_err().to_string();
        assert!(error.starts_with("run.toml is not valid TOML: line 2: "), "{error}");
    }
}
