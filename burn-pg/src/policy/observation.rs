//! What a policy sees.

use burn::tensor::{Bool, Int, Tensor};

/// B observations on a device, each with the actions that are possible in it, if the environment says so.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The observations, flattened. Shape `[B, D]`.
    pub values: Tensor<2>,
    /// Which actions are possible: one flag for each element of a discrete space, or of each of the components of a
    /// multi-discrete one in turn. Shape `[B, M]`.
    pub action_mask: Option<Tensor<2, Bool>>,
}

impl From<Tensor<2>> for Observation {
    fn from(values: Tensor<2>) -> Self {
        Self { values, action_mask: None }
    }
}

impl Observation {
    /// Number of observations, B.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.dims()[0]
    }

    /// Are there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows that `indices` name, in that order.
    #[must_use]
    pub fn select(&self, indices: Tensor<1, Int>) -> Self {
        Self {
            values: self.values.clone().select(0, indices.clone()),
            action_mask: self.action_mask.clone().map(|mask| mask.select(0, indices)),
        }
    }

    /// The rows `start..start + length`.
    #[must_use]
    pub fn narrow(&self, start: usize, length: usize) -> Self {
        Self {
            values: self.values.clone().narrow(0, start, length),
            action_mask: self.action_mask.clone().map(|mask| mask.narrow(0, start, length)),
        }
    }
}
