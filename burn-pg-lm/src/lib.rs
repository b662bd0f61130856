//! Language models for policy-gradient methods.
#![forbid(unsafe_code)]

pub mod config;
pub mod curve;
pub mod data;
mod files;
pub mod generate;
mod kernel;
pub mod learning;
pub mod model;
pub mod plan;
pub mod reward;
mod settings;
pub mod task;
pub mod template;
mod texts;
pub mod tokenizer;

pub use config::ModelConfig;
pub use files::FileError;
pub use template::{ChatTemplate, Message};
pub use texts::Texts;
pub use tokenizer::Tokenizer;
