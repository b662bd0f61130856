//! Kernels: work that the loop does most of its time, as single operations.

#[cfg(feature = "flex")]
mod flex;
pub(crate) mod host;
mod perceptron;

pub use host::vector;
pub use perceptron::{perceptron, perceptron_of_ordinary_ops};
