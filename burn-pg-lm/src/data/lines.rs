//! Reading the lines of a file.

use std::{collections::BTreeMap, path::Path};

use serde::de::{DeserializeOwned, IgnoredAny};
use strsim::damerau_levenshtein;

use super::DataError;
use crate::files;

/// Reads a file and makes a value of each line that is not blank.
///
/// # Errors
/// [`DataError`] if the file cannot be read, is not text or has only blank lines; [`DataError::Line`] with the reason
/// that `parse` gives.
pub(crate) fn lines<T>(path: &Path, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, DataError> {
    let bytes = files::read(path)?;
    let text = text(path, &bytes)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let filled = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let parsed = filled.map(|(index, line)| {
        parse(line).map_err(|reason| DataError::Line { path: path.into(), line: index + 1, reason })
    });
    let values = parsed.collect::<Result<Vec<T>, _>>()?;
    if values.is_empty() {
        return Err(DataError::NoRecords { path: path.into() });
    }
    Ok(values)
}

/// Reads a file of JSON objects, one a line, and makes a value of each. `keys` are those of `Record`; others are ignored, unless they look like a
/// misspelt one.
///
/// # Errors
/// As [`lines`], and [`DataError::Line`] for a line that is not an object with the keys of `Record`, or that has a misspelt one.
pub(super) fn records<Record: DeserializeOwned, T>(
    path: &Path,
    keys: &[&str],
    check: impl Fn(Record) -> Result<T, String>,
) -> Result<Vec<T>, DataError> {
    lines(path, |line| {
        let record = object(line)?;
        refuse_misspelt(line, keys)?;
        check(record)
    })
}

/// Refuses a line with a key that is not one of `keys`, but nearly. Short keys are like too many others.
fn refuse_misspelt(line: &str, keys: &[&str]) -> Result<(), String> {
    if keys.is_empty() {
        return Ok(());
    }
    #[allow(clippy::zero_sized_map_values)] // values are skipped, not kept
    let found: BTreeMap<String, IgnoredAny> = object(line)?;
    for key in found.keys().filter(|key| !keys.contains(&key.as_str())) {
        let most = |known: &str| if known.len() < 7 { 1 } else { 2 };
        let is_near = |known: &&&str| known.len() > 4 && damerau_levenshtein(key, known) <= most(known);
        if let Some(known) = keys.iter().find(is_near) {
            return Err(format!("it has `{key}`; did you mean `{known}`?"));
        }
    }
    Ok(())
}

/// Parses a line. A list is refused, although `serde` would take its items as the values of the keys.
fn object<Record: DeserializeOwned>(line: &str) -> Result<Record, String> {
    if !line.trim_start().starts_with('{') {
        return Err("it must be a JSON object, which begins with `{`".into());
    }
    serde_json::from_str(line).map_err(|error| {
        let message = error.to_string();
        // `serde_json` counts the lines of what it is given, which is one line.
        let place = format!(" at line {} column {}", error.line(), error.column());
        match message.strip_suffix(&place) {
            Some(reason) => format!("{reason} (at byte {} of the line)", error.column()),
            None => message,
        }
    })
}

/// Returns the bytes of the file `path` as text.
fn text<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, DataError> {
    str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        DataError::NotText { path: path.into(), line, at: before.len() - start }
    })
}
