//! Tensors by name, and files that survive a crash.

pub(crate) mod durable;
pub(crate) mod tensors;
pub mod weights;

pub use tensors::TensorsError;
