//! Errors of objectives.

use super::ContextPart;
use crate::optim::Schedule;

/// An invalid objective, loss term or state. Terms are identified by [`LossTerm::name`](super::LossTerm::name).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectiveError {
    /// The weight of a term is negative or not finite.
    #[error("the weight of the term `{term}` is {weight}; it must be 0 or more")]
    Weight {
        /// The term.
        term: &'static str,
        /// Its weight.
        weight: f64,
    },
    /// Two terms have the same name, so that their losses could not be distinguished.
    #[error("the objective has two terms called `{term}`")]
    Duplicate {
        /// The name.
        term: &'static str,
    },
    /// A hyperparameter of a term, or a value of its state, is out of range.
    #[error("`{name}` of the term `{term}` is {value}; it must be {range}")]
    OutOfRange {
        /// The term.
        term: &'static str,
        /// The name of the hyperparameter or value.
        name: &'static str,
        /// Its value.
        value: Schedule,
        /// The allowed range.
        range: &'static str,
    },
    /// A term needs a part of the context that this training does not provide.
    #[error("the term `{term}` needs {part}, and there are none here")]
    Missing {
        /// The term.
        term: &'static str,
        /// The part that it needs.
        part: ContextPart,
    },
    /// A state does not have the names that it must have.
    #[error("the state for {owner} is made of {given:?}; it must be made of {expected:?}")]
    State {
        /// A term, or "the objective".
        owner: &'static str,
        /// The names it must have.
        expected: Vec<String>,
        /// The names it has.
        given: Vec<String>,
    },
}

/// Checks that a state has exactly the names `expected`; both are in alphabetical order.
pub(super) fn check_names<'a, E: Into<String>>(
    owner: &'static str,
    expected: impl IntoIterator<Item = E>,
    given: impl IntoIterator<Item = &'a String>,
) -> Result<(), ObjectiveError> {
    let expected: Vec<String> = expected.into_iter().map(Into::into).collect();
    let given: Vec<String> = given.into_iter().cloned().collect();
    if expected == given { Ok(()) } else { Err(ObjectiveError::State { owner, expected, given }) }
}

/// Checks that a hyperparameter or a value of a state is in its range.
pub(super) fn check(
    term: &'static str,
    name: &'static str,
    value: impl Into<Schedule>,
    holds: bool,
    range: &'static str,
) -> Result<(), ObjectiveError> {
    if holds { Ok(()) } else { Err(ObjectiveError::OutOfRange { term, name, value: value.into(), range }) }
}

/// Checks that a range is finite and more than 0; at the end of its schedule it may be 0.
pub(super) fn check_range(term: &'static str, name: &'static str, value: Schedule) -> Result<(), ObjectiveError> {
    check(term, name, value, value.is_positive_before_its_end(), "more than 0, and at the end 0 or more")
}
