//! Language models for policy-gradient methods.
#![forbid(unsafe_code)]

pub mod generate;
mod kernel;
pub mod model;
pub mod reward;
mod texts;

pub use texts::Texts;
