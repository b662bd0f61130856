//! Runs on texts from settings: pretraining, supervised fine-tuning, reward models, preferences, and reinforcement learning.
//!
//! [`Settings`] are what a user writes down; [`Settings::build`] loads data and models and returns a [`Ready`] run, whose trainer is that
//! of [`burn_pg`]; [`figures`] say what came of it, and save the model as a folder of Hugging Face.

mod build;
mod encode;
mod error;
pub mod figures;
mod new_model;
mod rl;
pub mod settings;
mod shapes;
mod validate;

pub use build::{Around, Policy, Reader, Ready};
pub use encode::{Encoder, text_tokens};
pub use error::TaskError;
pub use rl::Untrained;
pub use settings::{Settings, Task, Train};
