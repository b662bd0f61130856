//! What language models learn from, read from files: prompts, preferences, demonstrations, documents and ratings.
//!
//! | function | a line of the file |
//! | --- | --- |
//! | [`prompts`] | `{"prompt": "Once"}`, or `{"messages": [{"role": "user", "content": "Hello"}]}` |
//! | [`pairs`] | `{"prompt": "Once", "chosen": " upon a time", "rejected": " more"}`, with `"margin": 0.5` or `"tie": true` |
//! | [`demonstrations`] | `{"prompt": "Once", "completion": " upon a time"}` |
//! | [`documents`] | `{"text": "Once upon a time"}`, or in a file without the ending `.jsonl` the text itself |
//! | [`ratings`] | `{"text": "Once upon a time", "ratings": [1, -2.5]}` |
//!
//! In place of a text, `prompt` may be a list of turns; `messages` is another name for such a list. After a conversation, `chosen`, `rejected` and
//! `completion` may each be a list of one turn. Without a prompt, they may be whole conversations, whose last turn is the completion. A demonstration
//! may also have only `messages`: the last turn is the completion. Such a turn must have the role `assistant`.
//!
//! Blank lines, and a byte-order mark at the start of a file, are skipped. A key with the value `null` counts as missing. Other keys are
//! ignored, except one that looks like a misspelt one. Rewards that are programs get all keys of [`prompts`].

mod error;
mod lines;
mod rated;
mod records;
mod said;

pub use error::DataError;
pub(crate) use lines::lines;
pub use rated::{Rated, pairs_of_ratings, ratings};
pub use records::{Demonstration, Pair, Prompt, Query, demonstrations, documents, pairs, prompts};

use burn_pg::envs::EnvRng;

/// Splits items at random into those to train with and those that are held out. The share that is held out is rounded
/// to whole items. The same items and the same seed give the same parts. Equal items may come into different parts.
///
/// # Panics
/// If the share is not between 0 and 1, or there are 2^32 items or more.
#[must_use]
pub fn split<T>(mut items: Vec<T>, share_held_out: f64, seed: u64) -> (Vec<T>, Vec<T>) {
    assert!((0.0..=1.0).contains(&share_held_out), "the share is {share_held_out}; it must be between 0 and 1");
    EnvRng::new(seed).shuffle(&mut items);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a part of the number of items
    let held_out = (share_held_out * items.len() as f64).round() as usize;
    let held_out = items.split_off(items.len() - held_out);
    (items, held_out)
}
