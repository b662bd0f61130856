//! Prompts, preferences, demonstrations and documents.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    DataError,
    lines::{lines, records},
    said::{Said, Turn, completion, prompt},
};
use crate::Message;

/// What a completion follows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Prompt {
    /// A text.
    Text(String),
    /// The turns of a conversation, at least one.
    Chat(Vec<Message>),
}

/// A prompt to write after, with what else its line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The prompt.
    pub prompt: Prompt,
    /// All other keys of the line, such as the right answer: for rewards that are programs.
    pub columns: Map<String, Value>,
}

/// A preference between two completions.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// What both completions follow. An empty text if there is no prompt.
    pub prompt: Prompt,
    /// The completion that was preferred.
    pub chosen: String,
    /// The other completion, which differs from `chosen`.
    pub rejected: String,
    /// How much better the preferred completion is: 0 or more. `None` if this is unknown, and for a tie.
    pub margin: Option<f64>,
    /// True if neither completion was preferred. The order of the two then says nothing.
    pub tie: bool,
}

/// A completion to imitate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demonstration {
    /// What the completion follows. Its text may be empty.
    pub prompt: Prompt,
    /// The completion, which is not empty.
    pub completion: String,
}

const NO_PROMPT: &str = "it must have `prompt` or `messages`";

/// Reads prompts from a file of JSON lines with the key `prompt` or `messages`. All other keys are kept for rewards that are programs. The keys
/// `completion` and `ended` are refused, because such a program gets them from what the policy writes.
///
/// # Errors
/// [`DataError`] if the file cannot be read or has no records, or a line is not such an object, its prompt is empty, or it has the key
/// `completion` or `ended`.
pub fn prompts(path: &Path) -> Result<Vec<Query>, DataError> {
    #[derive(Deserialize)]
    struct Record {
        prompt: Option<Said>,
        messages: Option<Vec<Turn>>,
        #[serde(flatten)]
        columns: Map<String, Value>,
    }
    // All keys are for rewards that are programs.
    records(path, &[], |Record { prompt: said, messages, mut columns }| {
        columns.retain(|_, value| !value.is_null());
        if let Some(key) = ["completion", "ended"].into_iter().find(|key| columns.contains_key(*key)) {
            return Err(format!("it has `{key}`, which is not known before something is written; remove it"));
        }
        match prompt(said, messages)?.ok_or(NO_PROMPT)? {
            Prompt::Text(text) if text.is_empty() => Err("`prompt` is empty".into()),
            prompt => Ok(Query { prompt, columns }),
        }
    })
}

/// Reads preferences from a file of JSON lines with the keys `chosen` and `rejected`, and if wanted `prompt` or
/// `messages`, and `margin` or `tie`.
///
/// # Errors
/// [`DataError`] if the file cannot be read or has no records, or a line is not such an object, its completions are
/// equal or one of them is empty, or its margin is negative or not finite, or beside `"tie": true`.
pub fn pairs(path: &Path) -> Result<Vec<Pair>, DataError> {
    #[derive(Deserialize)]
    struct Record {
        prompt: Option<Said>,
        messages: Option<Vec<Turn>>,
        chosen: Said,
        rejected: Said,
        margin: Option<f64>,
        tie: Option<bool>,
    }
    let keys = ["prompt", "messages", "chosen", "rejected", "margin", "tie"];
    records(path, &keys, |record: Record| {
        let given = prompt(record.prompt, record.messages)?;
        let (prompt, chosen) = completion("chosen", record.chosen, given.clone())?;
        let (other, rejected) = completion("rejected", record.rejected, given)?;
        if prompt.is_some() != other.is_some() {
            return Err("one of `chosen` and `rejected` is a conversation, and the other one a text".into());
        }
        if prompt != other {
            return Err("`chosen` and `rejected` answer different turns".into());
        }
        let prompt = prompt.unwrap_or(Prompt::Text(String::new()));
        let tie = record.tie.unwrap_or(false);
        if let Some((key, _)) =
            [("chosen", &chosen), ("rejected", &rejected)].into_iter().find(|(_, text)| text.is_empty())
        {
            return Err(format!("`{key}` is empty"));
        }
        if chosen == rejected {
            return Err("`chosen` and `rejected` are equal".into());
        }
        match record.margin {
            Some(_) if tie => return Err("it has both `margin` and `tie`; the margin of a tie must be left out".into()),
            Some(margin) if !(margin.is_finite() && margin >= 0.0) => {
                return Err(format!("`margin` is {margin}; it must be 0 or more, and finite"));
            }
            _ => {}
        }
        Ok(Pair { prompt, chosen, rejected, margin: record.margin, tie })
    })
}

/// Reads demonstrations from a file of JSON lines. A line has `completion`, and `prompt` or `messages`. It may also have `messages` alone: the last
/// turn is then the completion.
///
/// # Errors
/// [`DataError`] if the file cannot be read or has no records, or a line is not such an object or its completion is
/// empty.
pub fn demonstrations(path: &Path) -> Result<Vec<Demonstration>, DataError> {
    #[derive(Deserialize)]
    struct Record {
        prompt: Option<Said>,
        messages: Option<Vec<Turn>>,
        completion: Option<Said>,
    }
    records(path, &["prompt", "messages", "completion"], |record: Record| {
        let (key, said, before) = match record {
            Record { prompt: None, messages: Some(turns), completion: None } => ("messages", Said::Turns(turns), None),
            Record { completion: None, .. } => return Err("it must have `completion`".into()),
            Record { prompt: said, messages, completion: Some(text) } => ("completion", text, prompt(said, messages)?),
        };
        let (prompt, completion) = completion(key, said, before)?;
        match completion.is_empty() {
            true if key == "messages" => Err("the last turn of `messages` is empty".into()),
            true => Err("`completion` is empty".into()),
            false => Ok(Demonstration { prompt: prompt.ok_or(NO_PROMPT)?, completion }),
        }
    })
}

/// Reads documents: from a file with the ending `.jsonl` the `text` of each line, from any other file each line that is
/// not blank.
///
/// # Errors
/// [`DataError`] if the file cannot be read or has no records, or a line is not an object with the key `text`, or the
/// text is empty.
pub fn documents(path: &Path) -> Result<Vec<String>, DataError> {
    #[derive(Deserialize)]
    struct Record {
        text: String,
    }
    if !path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("jsonl")) {
        return lines(path, |line| Ok(line.to_owned()));
    }
    records(path, &["text"], |Record { text }| match text.is_empty() {
        true => Err("`text` is empty".into()),
        false => Ok(text),
    })
}
