//! Batches whose rows can be selected.

use burn::tensor::{Bool, Int, Tensor};

use super::Policy;
use crate::distribution::ActionTensor;

/// A batch of rows on a device: observations, actions, or one value per sample.
///
/// Minibatches are made with these operations. An observation type of your own needs the first two methods.
pub trait Rows: Clone + Send {
    /// Returns the rows `indices`, in that order.
    #[must_use]
    fn select_rows(&self, indices: &Tensor<1, Int>) -> Self;

    /// Returns the rows `start..start + length`.
    #[must_use]
    fn narrow_rows(&self, start: usize, length: usize) -> Self;

    /// Number of rows that stay together, for example the steps of a sequence. Rows are selected and cut in multiples
    /// of it. Default 1.
    #[must_use]
    fn unit(&self) -> usize {
        1
    }

    /// Returns the observations as vectors (shape `[B, D]`) with the flags of possible actions, if they are nothing else.
    /// Default: `None`.
    fn vectors(&self) -> Option<(Tensor<2>, Option<Tensor<2, Bool>>)> {
        None
    }

    /// Returns the observations as `policy` gets them in training: recurrent states may be computed again with its
    /// current weights. Default: unchanged.
    #[must_use]
    fn shown_to<P: Policy<Observation = Self>>(&self, _policy: &P) -> Self {
        self.clone()
    }
}

/// Implements [`Rows`] for tensors whose first dimension is the rows.
macro_rules! rows {
    ($($kind:ty),*) => {
        $(
            impl<const D: usize> Rows for Tensor<D, $kind> {
                fn select_rows(&self, indices: &Tensor<1, Int>) -> Self {
                    self.clone().select(0, indices.clone())
                }

                fn narrow_rows(&self, start: usize, length: usize) -> Self {
                    self.clone().narrow(0, start, length)
                }
            }
        )*
    };
}

rows!(burn::tensor::Float, Int, Bool);

/// Implements [`Rows`] for an enum with one tensor in each variant.
macro_rules! rows_of_either {
    ($kind:ty: $($variant:ident),*) => {
        impl Rows for $kind {
            fn select_rows(&self, indices: &Tensor<1, Int>) -> Self {
                match self {
                    $(Self::$variant(tensor) => Self::$variant(tensor.select_rows(indices)),)*
                }
            }

            fn narrow_rows(&self, start: usize, length: usize) -> Self {
                match self {
                    $(Self::$variant(tensor) => Self::$variant(tensor.narrow_rows(start, length)),)*
                }
            }
        }
    };
}

pub(super) use rows_of_either;

rows_of_either!(ActionTensor: Discrete, MultiDiscrete, MultiBinary, Continuous);

impl<R: Rows> Rows for Option<R> {
    fn select_rows(&self, indices: &Tensor<1, Int>) -> Self {
        self.as_ref().map(|rows| rows.select_rows(indices))
    }

    fn narrow_rows(&self, start: usize, length: usize) -> Self {
        self.as_ref().map(|rows| rows.narrow_rows(start, length))
    }
}

impl<R: Rows> Rows for Vec<R> {
    fn select_rows(&self, indices: &Tensor<1, Int>) -> Self {
        self.iter().map(|rows| rows.select_rows(indices)).collect()
    }

    fn narrow_rows(&self, start: usize, length: usize) -> Self {
        self.iter().map(|rows| rows.narrow_rows(start, length)).collect()
    }
}
