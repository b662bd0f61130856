//! Rewards that count words.

use std::collections::HashSet;

use burn_pg::Error;

use super::{
    Answer, TextReward, of_completions,
    words::{lower_case, words},
};

/// Why a rule cannot be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// The target is out of range.
    #[error("the target is {target} words; it must be more than 0, and finite")]
    Target {
        /// The target.
        target: f64,
    },
    /// There are no words to look for.
    #[error("there are no words to look for; give at least one")]
    NoWords,
    /// What to look for is not one word, so that it would never be found.
    #[error("{text:?} is not one word: give words of letters and digits, one by one")]
    NotAWord {
        /// What to look for.
        text: String,
    },
}

/// Minus the relative distance of a completion's number of words `n` from a target: `-|n - target| / target`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Words {
    target: f64,
}

impl Words {
    /// Returns the rule for a target, more than 0.
    ///
    /// # Errors
    /// [`RuleError::Target`] if the target is not more than 0, or not finite.
    pub fn new(target: f64) -> Result<Self, RuleError> {
        match target.is_finite() && target > 0.0 {
            true => Ok(Self { target }),
            false => Err(RuleError::Target { target }),
        }
    }
}

impl TextReward for Words {
    fn score(&mut self, texts: &[Answer<'_>]) -> Result<Vec<f64>, Error> {
        let target = self.target;
        Ok(of_completions(texts, |completion| -(words(completion).count() as f64 - target).abs() / target))
    }
}

/// The share of a completion's words that are in a list: 0 to 1, and 0 without words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contains {
    words: HashSet<String>,
}

impl Contains {
    /// Returns the rule for words, in upper or lower case.
    ///
    /// # Errors
    /// [`RuleError::NoWords`] without words; [`RuleError::NotAWord`] for a text that is not exactly one word.
    pub fn new(list: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, RuleError> {
        let word = |text: String| {
            let lower = lower_case(&text);
            match words(&text).eq([lower.as_str()]) {
                true => Ok(lower),
                false => Err(RuleError::NotAWord { text }),
            }
        };
        let words = list.into_iter().map(|text| word(text.into())).collect::<Result<HashSet<_>, _>>()?;
        if words.is_empty() { Err(RuleError::NoWords) } else { Ok(Self { words }) }
    }
}

impl TextReward for Contains {
    fn score(&mut self, texts: &[Answer<'_>]) -> Result<Vec<f64>, Error> {
        Ok(of_completions(texts, |completion| {
            let (mut found, mut all) = (0_usize, 0_usize);
            for word in words(completion) {
                found += usize::from(self.words.contains(&word));
                all += 1;
            }
            found as f64 / all.max(1) as f64
        }))
    }
}
