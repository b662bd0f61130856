//! Texts as tokens, one after the other.

use std::ops::Range;

/// Texts of any lengths as rows of tokens: row after row, without padding. A row may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    tokens: Vec<u32>,
    /// Where each text ends.
    ends: Vec<usize>,
}

impl Texts {
    /// Returns the number of texts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True if there are no texts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns the tokens of all texts, T in number.
    #[must_use]
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Returns where the tokens of a text are.
    ///
    /// # Panics
    /// If there is no text `text`.
    #[must_use]
    pub fn range(&self, text: usize) -> Range<usize> {
        let start = if text == 0 { 0 } else { self.ends[text - 1] };
        start..self.ends[text]
    }

    /// Returns where the tokens of each text are.
    #[must_use]
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = Range<usize>> {
        (0..self.len()).map(|text| self.range(text))
    }

    /// Returns the tokens of each text.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u32]> {
        self.ranges().map(|range| &self.tokens[range])
    }

    /// Returns the position of each token in its text, counted from 0.
    pub fn positions(&self) -> impl Iterator<Item = usize> {
        self.ranges().flat_map(|range| 0..range.len())
    }

    /// Returns the number of tokens of the longest text; 0 without texts.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.ranges().map(|range| range.len()).max().unwrap_or(0)
    }

    /// Adds a text.
    pub fn push(&mut self, text: &[u32]) {
        self.tokens.extend_from_slice(text);
        self.ends.push(self.tokens.len());
    }
}

impl<T: AsRef<[u32]>> FromIterator<T> for Texts {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let mut all = Self::default();
        texts.into_iter().for_each(|text| all.push(text.as_ref()));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_any_length_stay_apart() {
        let texts: Texts = [&[5, 6, 7][..], &[], &[8]].into_iter().collect();
        assert_eq!((texts.len(), texts.longest()), (3, 3));
        assert_eq!(texts.tokens(), [5, 6, 7, 8]);
        assert_eq!(texts.ranges().collect::<Vec<_>>(), [0..3, 3..3, 3..4]);
        assert_eq!(texts.iter().map(<[u32]>::len).collect::<Vec<_>>(), [3, 0, 1]);
        assert_eq!(texts.positions().collect::<Vec<_>>(), [0, 1, 2, 0]);
        assert!(Texts::default().is_empty() && Texts::default().longest() == 0);
    }
}
