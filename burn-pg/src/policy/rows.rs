//! Batches whose rows can be picked.

use burn::tensor::{Bool, Int, Tensor};

/// A batch of rows on a device: observations, actions, or a number for each sample.
///
/// Minibatches are made with these two operations, so what a policy observes needs no more than them.
pub trait Rows: Clone + Send {
    /// The rows that `indices` name, in that order.
    #[must_use]
    fn select_rows(&self, indices: &Tensor<1, Int>) -> Self;

    /// The rows `start..start + length`.
    #[must_use]
    fn narrow_rows(&self, start: usize, length: usize) -> Self;
}

/// Tensors whose first dimension counts the rows.
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
