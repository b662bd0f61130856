//! The training loop, and runs in a directory: checkpoints, resume, metrics, observers.

mod agent;
mod agreement;
mod ahead;
pub mod checkpoint;
pub mod directory;
mod earlier;
mod faults;
pub mod log;
mod metrics;
mod observer;
mod progress;
mod resume;
mod session;
mod trainer;
mod training;

pub use directory::RunDir;
pub use earlier::{Changes, EarlierRun, Restored};
pub use metrics::UpdateStats;
pub use observer::{Evaluated, Observer};
pub use session::{Session, Stopped};
pub use trainer::{Parts, Trainer};
