//! Algorithms: each is a choice of parts for the one [loop](crate::Trainer).

mod envs;
mod ppo;

pub use envs::{evaluation_envs, training_envs};
pub use ppo::{ppo, ppo_in};
