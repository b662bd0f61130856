//! One file a verb.

pub mod bench;
pub mod devices;
pub mod env_trace;
pub mod envs;
pub mod eval;
pub mod plan;
pub mod train;
