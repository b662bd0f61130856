//! Texts, and turns of conversations, as they are in files.

use std::fmt::{self, Formatter};

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor, value::SeqAccessDeserializer},
};

use super::Prompt;
use crate::Message;

/// A turn as it is in a file. Unlike a [`Message`], it must not have other keys.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Turn {
    role: String,
    content: String,
}

/// What is said: a text, or the turns of a conversation.
pub(super) enum Said {
    Text(String),
    Turns(Vec<Turn>),
}

impl<'de> Deserialize<'de> for Said {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrTurns;

        impl<'de> Visitor<'de> for TextOrTurns {
            type Value = Said;

            fn expecting(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text, or a list of turns with `role` and `content`")
            }

            fn visit_str<E>(self, text: &str) -> Result<Said, E> {
                Ok(Said::Text(text.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, turns: A) -> Result<Said, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(turns)).map(Said::Turns)
            }
        }

        deserializer.deserialize_any(TextOrTurns)
    }
}

/// Returns the prompt of a record, or `None` if it has none.
pub(super) fn prompt(prompt: Option<Said>, messages: Option<Vec<Turn>>) -> Result<Option<Prompt>, String> {
    let (key, turns) = match (prompt, messages) {
        (Some(_), Some(_)) => return Err("it has both `prompt` and `messages`; remove one of them".into()),
        (None, None) => return Ok(None),
        (Some(Said::Text(text)), None) => return Ok(Some(Prompt::Text(text))),
        (Some(Said::Turns(turns)), None) => ("prompt", turns),
        (None, Some(turns)) => ("messages", turns),
    };
    match turns.last() {
        None => Err(format!("`{key}` is empty; it must have at least one turn")),
        Some(Turn { role, .. }) if role == "assistant" => {
            Err(format!("the last turn of `{key}` is an answer (`assistant`) already; leave it out"))
        }
        Some(_) => Ok(Some(conversation(turns))),
    }
}

fn conversation(turns: Vec<Turn>) -> Prompt {
    Prompt::Chat(turns.into_iter().map(|Turn { role, content }| Message::new(role, content)).collect())
}

/// Splits what follows a prompt into the prompt and the text of the completion. If there is no prompt, it may be a whole conversation, of
/// which the last turn is the completion; after a conversation it may be one turn. That turn must be one of the assistant.
pub(super) fn completion(key: &str, said: Said, prompt: Option<Prompt>) -> Result<(Option<Prompt>, String), String> {
    let mut turns = match said {
        Said::Text(text) => return Ok((prompt, text)),
        Said::Turns(turns) => turns,
    };
    let answer = match turns.pop() {
        None => return Err(format!("`{key}` is empty; it must have at least one turn")),
        Some(turn) if turn.role != "assistant" => {
            return Err(format!("the last turn of `{key}` has the role `{}`; it must be `assistant`", turn.role));
        }
        Some(turn) => turn.content,
    };
    match prompt {
        None if turns.is_empty() => {
            Err(format!("`{key}` is an answer to nothing; it needs a prompt, or turns before it"))
        }
        None => Ok((Some(conversation(turns)), answer)),
        Some(Prompt::Chat(_)) if !turns.is_empty() => {
            Err(format!("`{key}` has {} turns; after a prompt it must have one", turns.len() + 1))
        }
        Some(Prompt::Text(_)) => Err(format!("`{key}` is a list of turns, but the prompt is a text")),
        prompt => Ok((prompt, answer)),
    }
}
