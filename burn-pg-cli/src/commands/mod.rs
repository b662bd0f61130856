//! One file per command, and code that several commands share.

pub mod act;
pub mod agent;
pub mod bench;
pub mod completions;
pub mod config;
pub mod devices;
pub mod env_trace;
pub mod envs;
pub mod eval;
pub mod export;
pub mod how_to_go_on;
pub mod import;
#[cfg(feature = "lm")]
pub mod lm;
pub mod newest;
pub mod plan;
pub mod plot;
pub mod presets;
pub mod report;
pub mod runs;
pub mod sweep;
pub mod train;
pub mod watch;
