//! One file a verb.

pub mod devices;
pub mod envs;
pub mod eval;
pub mod train;
