//! Turning a gradient into new weights.
//!
//! Gradients and optimiser state are flat vectors over all trainable parameters of a module, in the order in which the
//! module is visited: one global norm is one reduction, and a step is a handful of operations however many tensors the
//! module has.

mod adam;
mod clip;
mod flat;
mod schedule;

pub use adam::Adam;
pub use clip::clip_global_norm;
pub use flat::{flatten_gradients, flatten_parameters, replace_parameters};
pub use schedule::Schedule;
