//! How long texts are.

use std::collections::BTreeMap;

/// How far above the mean of many draws a sum is planned, in standard deviations: about one sum of 700 is larger.
const DEVIATIONS: f64 = 3.0;

/// How many tokens texts have. Some of the texts are drawn at a time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lengths {
    /// How many texts there are of each length.
    counts: BTreeMap<usize, u64>,
}

impl Lengths {
    /// Texts that all have `length` tokens.
    #[must_use]
    pub fn all(length: usize) -> Self {
        std::iter::once(length).collect()
    }

    /// Returns the number of tokens of the longest text; 0 without texts.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.counts.last_key_value().map_or(0, |(&length, _)| length)
    }

    /// Returns what `texts` texts take, if one of `length` tokens takes `of(length)`. Each draw gives `group` of them, which are equal. The result is the
    /// mean of the sum plus three of its standard deviations, but at most what it is if all are the largest. 0 without texts.
    pub(super) fn largest_sum(&self, texts: u64, group: u64, of: impl Fn(u64) -> u64) -> u64 {
        let taken = || self.counts.iter().map(|(&length, &count)| (of(length as u64), count as f64));
        let all: f64 = taken().map(|(_, count)| count).sum();
        let Some(most) = taken().map(|(taken, _)| taken).max() else { return 0 };
        let mean = taken().map(|(taken, count)| taken as f64 * count).sum::<f64>() / all;
        let variance = taken().map(|(taken, count)| (taken as f64 - mean).powi(2) * count).sum::<f64>() / all;
        // A group is one draw.
        let draws = texts as f64 / group.max(1) as f64;
        let sum = texts as f64 * (mean + DEVIATIONS * (variance / draws.max(1.0)).sqrt());
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // at least 0, and saturating
        let sum = sum.ceil() as u64;
        sum.min(texts.saturating_mul(most))
    }
}

impl FromIterator<usize> for Lengths {
    fn from_iter<I: IntoIterator<Item = usize>>(lengths: I) -> Self {
        let mut counts = BTreeMap::new();
        lengths.into_iter().for_each(|length| *counts.entry(length).or_default() += 1);
        Self { counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_three_deviations_above_its_mean_and_no_more_than_possible() {
        // Mean 5, standard deviation 4.
        let lengths: Lengths = [1, 9].into_iter().collect();
        assert_eq!(lengths.longest(), 9);
        assert_eq!(lengths.largest_sum(16, 1, |length| length), 16 * 5 + 3 * 4 * 4);
        assert_eq!(lengths.largest_sum(64, 4, |length| length), 64 * 5 + 4 * (3 * 4 * 4));
        assert_eq!(lengths.largest_sum(2, 1, |length| length), 18);
        assert_eq!(lengths.largest_sum(16, 1, |_| 3), 48);
        assert_eq!(Lengths::all(7).largest_sum(u64::MAX, 1, |length| length), u64::MAX);
        assert_eq!(Lengths::default().largest_sum(5, 1, |length| length), 0);
    }
}
