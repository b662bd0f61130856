//! Ranges of hyperparameters.

use std::ops::RangeInclusive;

/// Why the hyperparameters of an optimiser are not valid.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HyperparameterError {
    /// A hyperparameter is out of range.
    #[error("`{name}` of {optimiser} is {value}; it must be {range}")]
    OutOfRange {
        /// Name of the optimiser in configurations.
        optimiser: &'static str,
        /// Name of the hyperparameter.
        name: &'static str,
        /// Its value.
        value: f64,
        /// The allowed range.
        range: &'static str,
    },
    /// Nesterov's rule is only defined with momentum and without dampening.
    #[error(
        "`nesterov` of sgd needs `momentum` to be more than 0 and `dampening` to be 0, but they are {momentum} and \
         {dampening}"
    )]
    Nesterov {
        /// `momentum`
        momentum: f64,
        /// `dampening`
        dampening: f64,
    },
}

/// Checks the hyperparameters of one optimiser. NaN is out of every range.
pub(crate) struct Hyperparameters {
    /// Name of the optimiser in configurations.
    pub(crate) optimiser: &'static str,
}

impl Hyperparameters {
    pub(crate) fn check_decay(&self, name: &'static str, value: f64) -> Result<(), HyperparameterError> {
        self.check(name, value, (0.0..1.0).contains(&value), "0 or more and less than 1")
    }

    pub(crate) fn check_share(&self, name: &'static str, value: f64) -> Result<(), HyperparameterError> {
        self.check(name, value, (0.0..=1.0).contains(&value), "between 0 and 1")
    }

    pub(crate) fn check_positive(&self, name: &'static str, value: f64) -> Result<(), HyperparameterError> {
        self.check(name, value, value.is_finite() && value > 0.0, "more than 0")
    }

    pub(crate) fn check_not_negative(&self, name: &'static str, value: f64) -> Result<(), HyperparameterError> {
        self.check(name, value, value.is_finite() && value >= 0.0, "0 or more")
    }

    pub(crate) fn check_count(
        &self,
        name: &'static str,
        value: usize,
        counts: RangeInclusive<usize>,
        range: &'static str,
    ) -> Result<(), HyperparameterError> {
        self.check(name, value as f64, counts.contains(&value), range)
    }

    fn check(
        &self,
        name: &'static str,
        value: f64,
        holds: bool,
        range: &'static str,
    ) -> Result<(), HyperparameterError> {
        let optimiser = self.optimiser;
        if holds { Ok(()) } else { Err(HyperparameterError::OutOfRange { optimiser, name, value, range }) }
    }
}
