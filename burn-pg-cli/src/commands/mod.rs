//! One file a verb.

pub mod act;
pub mod bench;
pub mod devices;
pub mod env_trace;
pub mod envs;
pub mod eval;
pub mod export;
pub mod import;
pub mod plan;
pub mod train;
