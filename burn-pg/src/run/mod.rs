//! The loop, and what a run is beyond its mathematics.

mod agent;
pub mod checkpoint;
pub mod directory;
mod faults;
mod metrics;
mod resume;
mod trainer;
mod training;

pub use metrics::{Observer, UpdateStats, explained_variance};
pub use trainer::{Parts, Trainer};
