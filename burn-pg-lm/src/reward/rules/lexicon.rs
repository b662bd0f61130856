//! The sentiment of a text, by the valence of its words.

use std::{collections::HashMap, path::Path};

use burn_pg::Error;

use super::{
    Answer, TextReward, of_completions,
    words::{lower_case, words},
};
use crate::data::{DataError, lines};

/// What a negation multiplies the valence of a word by.
const NEGATED: f64 = -0.74;
/// How many words after a negation it counts for.
const REACH: usize = 3;
/// How large the square of a sum of valences must be for a score of about 0.7.
const HALFWAY: f64 = 15.0;

/// The sentiment of a completion, between -1 and 1: the sum `x` of the valences of its words, as `x / sqrt(x^2 + 15)`;
/// 0 without known words. The valence of a word is multiplied by -0.74 if one of the three words before it is a
/// negation: `not`, `no`, `never`, or a word that ends in `n't`. A negation has no valence of its own.
///
/// Source: C. Hutto, E. Gilbert, *VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text*
/// (2014); the constants are those of the authors' program `vaderSentiment`. Its other rules (intensifiers, capitals,
/// exclamation marks, `but`) are left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Lexicon {
    /// The valence of each entry, in lower case.
    valences: HashMap<String, f64>,
}

impl Lexicon {
    /// Reads a lexicon such as VADER's `vader_lexicon.txt`: a line for each word, with the word, a tab and its mean
    /// valence. Further columns are ignored. Upper and lower case are the same. The last line of a word counts.
    ///
    /// A word in the file that is not made of letters and digits, such as `:)`, is found where it stands between
    /// spaces.
    ///
    /// # Errors
    /// [`DataError`] if the file cannot be read or has no words, or a line does not have a word and a finite number.
    pub fn load(path: &Path) -> Result<Self, DataError> {
        Ok(Self { valences: lines(path, entry)?.into_iter().collect() })
    }

    /// Returns the sentiment of a text.
    #[must_use]
    pub fn sentiment(&self, text: &str) -> f64 {
        let words = self.words(text);
        let valence = |(i, word): (usize, &String)| {
            let valence = self.valences.get(word).filter(|_| !is_negation(word))?;
            let negated = words[i.saturating_sub(REACH)..i].iter().any(|word| is_negation(word));
            Some(if negated { NEGATED * valence } else { *valence })
        };
        let sum: f64 = words.iter().enumerate().filter_map(valence).sum();
        sum / sum.hypot(HALFWAY.sqrt())
    }

    /// Returns the words of a text. What stands between two spaces is one word if the lexicon has it as it is.
    fn words(&self, text: &str) -> Vec<String> {
        let mut all = Vec::new();
        for piece in text.split_whitespace() {
            let whole = lower_case(piece);
            match self.valences.contains_key(&whole) {
                true => all.push(whole),
                false => all.extend(words(piece)),
            }
        }
        all
    }
}

impl TextReward for Lexicon {
    fn score(&mut self, texts: &[Answer<'_>]) -> Result<Vec<f64>, Error> {
        Ok(of_completions(texts, |completion| self.sentiment(completion)))
    }
}

/// Parses a line: a word and its valence.
fn entry(line: &str) -> Result<(String, f64), String> {
    let mut columns = line.split('\t').map(str::trim);
    let (word, valence) = (columns.next().unwrap_or_default(), columns.next());
    let Some(valence) = valence else { return Err("it must have a word, a tab and a number".into()) };
    if word.is_empty() {
        return Err("there is no word before the tab".into());
    }
    match valence.parse() {
        Ok(number) if f64::is_finite(number) => Ok((lower_case(word), number)),
        _ => Err(format!("the valence of {word:?} is {valence:?}; it must be a finite number")),
    }
}

fn is_negation(word: &str) -> bool {
    matches!(word, "not" | "no" | "never") || word.ends_with("n't")
}
