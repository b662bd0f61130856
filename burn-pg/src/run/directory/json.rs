//! JSON files of a run directory, and errors in them in plain words.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::RunDirError;
use crate::storage::durable::refuse_other_than_file;

/// Beginnings of messages of the parser, and plain words for them.
const WORDS: [(&str, &str); 14] = [
    ("invalid type: map", "found an object"),
    ("invalid type: sequence", "found an array"),
    ("invalid type: ", "found "),
    ("invalid value: ", "found "),
    ("expected a sequence", "expected an array"),
    ("expected struct ObservationNormalizer", "expected an object"),
    ("expected struct RunningMoments", "expected an object"),
    ("expected struct EnvSpec", "expected an object"),
    ("expected f32", "expected a number"),
    ("expected f64", "expected a number"),
    ("expected i32", "expected a whole number"),
    ("expected u8", "expected a whole number"),
    ("expected u32", "expected a whole number"),
    ("expected usize", "expected a whole number"),
];

/// Reads a JSON file. `invalid` makes the error for content of another kind.
pub fn read<T: DeserializeOwned>(
    path: &Path,
    invalid: impl FnOnce(PathBuf, String) -> RunDirError,
) -> Result<T, RunDirError> {
    let text = refuse_other_than_file(path).and_then(|()| fs::read_to_string(path));
    let text = text.map_err(|source| RunDirError::Read { path: path.into(), source })?;
    serde_json::from_str(&text).map_err(|error| invalid(path.into(), explain(&error)))
}

fn explain(error: &serde_json::Error) -> String {
    match error.classify() {
        Category::Data | Category::Io => {
            WORDS.iter().fold(error.to_string(), |text, (parser, plain)| text.replace(parser, plain))
        }
        Category::Syntax => format!("it is not valid JSON at line {} column {}", error.line(), error.column()),
        Category::Eof => format!("it is cut off at line {} column {}", error.line(), error.column()),
    }
}

#[cfg(test)]
mod tests {
    use burn_pg_envs::{EnvSpec, wrapper::ObservationNormalizer};

    use super::*;

    fn reason<T: DeserializeOwned>(text: &str) -> String {
        explain(&serde_json::from_str::<T>(text).err().unwrap())
    }

    #[test]
    fn invalid_content_is_explained_in_plain_words() {
        for (text, explanation) in [
            ("3", "found integer `3`, expected an object at line 1 column 1"),
            (r#"{"moments": {"mean": 0}}"#, "found integer `0`, expected an array at line 1 column 22"),
            (r#"{"moments": {"mean": ["x"]}}"#, "found string \"x\", expected a number at line 1 column 25"),
            (r#"{"clip": 10}"#, "missing field `moments` at line 1 column 12"),
            ("{]", "it is not valid JSON at line 1 column 2"),
            ("{\n", "it is cut off at line 2 column 0"),
        ] {
            assert_eq!(reason::<ObservationNormalizer>(text), explanation, "{text}");
        }
        assert_eq!(reason::<usize>("-3"), "found integer `-3`, expected a whole number at line 1 column 2");
        assert!(reason::<EnvSpec>("3").starts_with("found integer `3`, expected an object"));
    }
}
