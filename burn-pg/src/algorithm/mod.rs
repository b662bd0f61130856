//! Algorithms: each is a choice of parts for the one [loop](crate::Trainer).

mod ppo;

pub use ppo::{ppo, ppo_in};
