//! Texts with ratings, and preferences drawn from them.

use std::{cmp::Ordering, path::Path};

use burn_pg::envs::EnvRng;
use serde::Deserialize;

use super::{DataError, Pair, Prompt, lines::records};

/// Attempts to draw a pair, for each pair that is asked for.
const ATTEMPTS: usize = 1000;
/// Attempts if few pairs are asked for.
const LEAST_ATTEMPTS: usize = 100_000;

/// A text that several people rated.
#[derive(Debug, Clone, PartialEq)]
pub struct Rated {
    /// The text.
    pub text: String,
    /// The ratings, at least one, all finite. Higher is better.
    pub ratings: Vec<f64>,
}

impl Rated {
    /// Returns the mean of the ratings.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.ratings.iter().sum::<f64>() / self.ratings.len() as f64
    }
}

/// Reads ratings from a file of JSON lines with the keys `text` and `ratings`.
///
/// # Errors
/// [`DataError`] if the file cannot be read or has no records, or a line is not such an object, its text is empty, or
/// it has no ratings or one that is not finite.
pub fn ratings(path: &Path) -> Result<Vec<Rated>, DataError> {
    #[derive(Deserialize)]
    struct Record {
        text: String,
        ratings: Vec<f64>,
    }
    records(path, &["text", "ratings"], |Record { text, ratings }| {
        if text.is_empty() {
            return Err("`text` is empty".into());
        }
        if ratings.is_empty() {
            return Err("`ratings` is empty; a text needs at least one rating".into());
        }
        match ratings.iter().find(|rating| !rating.is_finite()) {
            Some(rating) => Err(format!("a rating is {rating}; ratings must be finite")),
            None => Ok(Rated { text, ratings }),
        }
    })
}

/// Draws preferences: two different texts at random, and for each of them one of its ratings at random. The text with
/// the higher rating is chosen. Two equal ratings, or two equal texts, are drawn again. The pairs have no prompts and
/// no margins.
///
/// # Errors
/// [`DataError::TooFewTexts`] with fewer than two texts; [`DataError::EqualRatings`] if 1000 attempts for each pair,
/// and at least 100,000, do not give the pairs.
///
/// # Panics
/// If a text has no ratings, or there are 2^32 texts or more.
pub fn pairs_of_ratings(rated: &[Rated], count: usize, rng: &mut EnvRng) -> Result<Vec<Pair>, DataError> {
    if rated.len() < 2 {
        return Err(DataError::TooFewTexts { texts: rated.len() });
    }
    let attempts = count.saturating_mul(ATTEMPTS).max(LEAST_ATTEMPTS);
    let mut pairs = Vec::new();
    for _ in 0..attempts {
        if pairs.len() == count {
            break;
        }
        pairs.extend(pair(rated, rng));
    }
    match pairs.len() == count {
        true => Ok(pairs),
        false => Err(DataError::EqualRatings { drawn: pairs.len(), wanted: count, attempts }),
    }
}

/// Draws a pair from at least two texts. `None` if the ratings or the texts are equal.
fn pair(rated: &[Rated], rng: &mut EnvRng) -> Option<Pair> {
    let first = index_below(rated.len(), rng);
    let other = index_below(rated.len() - 1, rng);
    let second = other + usize::from(other >= first);
    let [first, second] = [first, second].map(|index| {
        let Rated { text, ratings } = &rated[index];
        (text, ratings[index_below(ratings.len(), rng)])
    });
    let (chosen, rejected) = match first.1.partial_cmp(&second.1)? {
        Ordering::Greater => (first.0, second.0),
        Ordering::Less => (second.0, first.0),
        Ordering::Equal => return None,
    };
    (chosen != rejected).then(|| Pair {
        prompt: Prompt::Text(String::new()),
        chosen: chosen.clone(),
        rejected: rejected.clone(),
        margin: None,
        tie: false,
    })
}

fn index_below(n: usize, rng: &mut EnvRng) -> usize {
    rng.below(u32::try_from(n).expect("fewer than 2^32 texts")) as usize
}
