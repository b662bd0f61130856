//! Named tensors, serialised state, and files that survive a crash.

mod bytes;
#[doc(hidden)]
pub mod durable;
mod misfit;
pub(crate) mod optional;
pub(crate) mod saved;
pub mod tensors;
pub(crate) mod unlimited;
pub mod weights;

pub use misfit::Misfit;
pub use saved::Saved;
pub use tensors::{Tensors, TensorsError};

pub use bytes::Bytes;
