//! Environments on the host.

mod block;
mod bootstrap;
mod collector;
pub(crate) mod copy;
mod cut;
mod endings;
mod exchange;
mod finite;
mod history;
mod length;
mod on_device;
mod on_host;
mod recurrent_state;
mod saved;
mod source;
mod stepping;

pub(crate) use block::default_block_size;
pub use collector::Collector;
pub(crate) use cut::Cut;
pub(crate) use endings::Ended;
pub(crate) use finite::check_observations;
pub use history::{History, SequenceSpec};
pub use length::RolloutLength;
pub(crate) use recurrent_state::RecurrentState;
pub use source::HostSource;
pub(crate) use stepping::step_envs;
