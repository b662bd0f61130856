//! The comparison of devices: what `bench devices` measures, and what `--device auto` goes by.

mod conditions;
mod crossover;
mod kept;
mod kind;
mod machine;
mod pick;
mod report;

pub use conditions::Conditions;
pub use crossover::Crossover;
pub use kept::{keep, kept};
pub use kind::Kind;
pub use machine::Machine;
pub use pick::{Picked, on, pick};
pub use report::{Figure, Measured, NOISY, Outcome, Report, Rounds, Size};
