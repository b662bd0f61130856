//! Spaces of observations and of actions.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The set an observation or an action is taken from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Space {
    /// The integers `0..n`.
    Discrete {
        /// Number of elements, at least 1.
        n: u32,
    },
    /// A box in R^n, flattened in row-major order. A bound may be infinite.
    Box {
        /// Lower bound of each element.
        low: Vec<f32>,
        /// Upper bound of each element.
        high: Vec<f32>,
        /// Shape before flattening.
        shape: Vec<usize>,
    },
}

impl Space {
    /// A one-dimensional box with the bounds `-high..=high`.
    #[must_use]
    pub fn symmetric(high: &[f32]) -> Self {
        Self::Box {
            low: high.iter().map(|h| -h).collect(),
            high: high.to_vec(),
            shape: vec![high.len()],
        }
    }

    /// Number of `f32` (or integers) one element takes when flattened.
    #[must_use]
    pub fn flat_len(&self) -> usize {
        match self {
            Self::Discrete { .. } => 1,
            Self::Box { low, .. } => low.len(),
        }
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discrete { n } => write!(f, "Discrete({n})"),
            Self::Box { shape, .. } => write!(f, "Box{shape:?}"),
        }
    }
}
