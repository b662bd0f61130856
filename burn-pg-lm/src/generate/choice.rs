//! How the next token is chosen.

use burn_pg::kernel::parts::Real;
use serde::{Deserialize, Serialize};

use crate::kernel::host::Head;

/// How the next token is chosen. Training needs the default, which draws from the model's own distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Choice {
    /// Logits are divided by it; 0 for the most probable token. Default 1.
    pub temperature: f64,
    /// Only this number of most probable tokens is possible, at least 1. Default none: all.
    pub top_k: Option<usize>,
    /// Only the most probable tokens are possible whose probabilities together reach this share, above 0 and at most 1. Default
    /// 1: all.
    pub top_p: f64,
}

/// Why a [`Choice`] is refused.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChoiceError {
    /// The temperature is negative or not finite.
    #[error("`temperature` is {0}; expected 0 or more")]
    Temperature(f64),
    /// No token is possible.
    #[error("`top_k` is 0; expected 1 or more")]
    TopK,
    /// The share is outside its range.
    #[error("`top_p` is {0}; expected more than 0 and at most 1")]
    TopP(f64),
}

impl Default for Choice {
    fn default() -> Self {
        Self { temperature: 1.0, top_k: None, top_p: 1.0 }
    }
}

impl Choice {
    /// Returns the choice of the most probable token.
    #[must_use]
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::default() }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`ChoiceError`] for the first number that is out of range.
    pub fn validate(&self) -> Result<(), ChoiceError> {
        let Self { temperature, top_k, top_p } = *self;
        match () {
            () if !(temperature >= 0.0 && temperature.is_finite()) => Err(ChoiceError::Temperature(temperature)),
            () if top_k == Some(0) => Err(ChoiceError::TopK),
            () if !(top_p > 0.0 && top_p <= 1.0) => Err(ChoiceError::TopP(top_p)),
            () => Ok(()),
        }
    }

    /// Chooses a token. Returns it with the logarithm of its probability under the logits as they are. One uniform number is
    /// drawn unless the most probable token is taken: the token is the first whose running sum of probabilities, in the order of
    /// the vocabulary, exceeds it.
    ///
    /// # Panics
    /// If there are no logits.
    pub fn choose<T: Real>(&self, logits: &[T], uniform: impl FnOnce() -> f64) -> (u32, T) {
        // Also if the temperature is 0 in single precision.
        let token = match T::of(self.temperature) == T::zero() {
            true => most_probable(logits),
            false => self.draw(logits, uniform()),
        };
        let token_index = u32::try_from(token).expect("a token of the vocabulary");
        (token_index, logits[token] - Head::normaliser(logits))
    }

    /// Returns the token for a uniform number.
    fn draw<T: Real>(&self, logits: &[T], uniform: f64) -> usize {
        let (largest, temperature) = (logits[most_probable(logits)], T::of(self.temperature));
        let mut weights: Vec<T> = logits.iter().map(|&logit| (logit - largest) / temperature).collect();
        T::exp_all(&mut weights);
        self.restrict(&mut weights);
        let total: f64 = weights.iter().map(|weight| weight.double()).sum();
        let mut sum = 0.0;
        let chosen = weights.iter().position(|weight| {
            sum += weight.double();
            sum > uniform * total
        });
        // Rounding may keep the sum below a number close to 1.
        chosen.or_else(|| weights.iter().rposition(|&weight| weight > T::zero())).expect("there are logits")
    }

    /// Sets the weights of tokens that are not possible to 0.
    fn restrict<T: Real>(&self, weights: &mut [T]) {
        if self.top_k.is_none_or(|count| count >= weights.len()) && self.top_p >= 1.0 {
            return;
        }
        let mut order: Vec<usize> = (0..weights.len()).collect();
        order.sort_by(|&a, &b| weights[b].double().total_cmp(&weights[a].double()));
        let count = self.top_k.unwrap_or(order.len()).min(order.len());
        let (mut kept, mut sum) = (0, 0.0);
        let total: f64 = order[..count].iter().map(|&token| weights[token].double()).sum();
        while kept < count && (kept == 0 || sum < self.top_p * total) {
            sum += weights[order[kept]].double();
            kept += 1;
        }
        order[kept..].iter().for_each(|&token| weights[token] = T::zero());
    }
}

/// Returns the first of the tokens with the largest logit.
fn most_probable<T: Real>(logits: &[T]) -> usize {
    let mut best = 0;
    for (token, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = token;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_tokens_are_never_drawn() {
        let logits = [1.0_f32, 3.0, 2.0, 0.0];
        let drawn = |choice: Choice| {
            let tokens = (0..100).map(|i| choice.draw(&logits, (f64::from(i) + 0.5) / 100.0));
            let mut tokens: Vec<usize> = tokens.collect();
            tokens.dedup();
            tokens
        };
        let all = Choice::default();
        assert_eq!(drawn(all), [0, 1, 2, 3]);
        assert_eq!(drawn(Choice { top_k: Some(2), ..all }), [1, 2]);
        assert_eq!(drawn(Choice { top_k: Some(1), ..all }), [1]);
        // The probabilities are 0.087, 0.644, 0.237 and 0.032.
        assert_eq!(drawn(Choice { top_p: 0.6, ..all }), [1]);
        assert_eq!(drawn(Choice { top_p: 0.65, ..all }), [1, 2]);
        assert_eq!(drawn(Choice { top_p: 0.9, ..all }), [0, 1, 2]);
        assert_eq!(drawn(Choice { temperature: 0.05, ..all }), [1]);
        assert_eq!(all.draw(&logits, 1.0 - f64::EPSILON / 2.0), 3);
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let all = Choice::default();
        assert_eq!(all.validate(), Ok(()));
        assert_eq!(Choice { temperature: -1.0, ..all }.validate(), Err(ChoiceError::Temperature(-1.0)));
        assert!(matches!(Choice { temperature: f64::NAN, ..all }.validate(), Err(ChoiceError::Temperature(_))));
        assert_eq!(Choice { top_k: Some(0), ..all }.validate(), Err(ChoiceError::TopK));
        for share in [0.0, -0.5, 1.5] {
            assert_eq!(Choice { top_p: share, ..all }.validate(), Err(ChoiceError::TopP(share)));
        }
    }
}
