//! Environments on the host.

mod block;
mod bootstrap;
mod collector;
mod finite;
mod history;
mod length;
mod on_device;
mod on_host;
mod recurrent_state;
mod saved;
mod stepping;

pub(crate) use block::Ended;
pub use collector::Collector;
pub(crate) use finite::check_observations;
pub(crate) use history::Cut;
pub use history::{History, SequenceSpec};
pub use length::RolloutLength;
pub(crate) use on_host::default_block_size;
pub(crate) use recurrent_state::RecurrentState;
pub(crate) use stepping::step_envs;
