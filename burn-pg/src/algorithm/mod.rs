//! Algorithms: each is a choice of parts for the one [loop](crate::Trainer).

mod a2c;
mod assemble;
mod envs;
mod ppo;
mod reinforce;

use burn::tensor::Device;

use crate::{
    Error, Trainer,
    config::{Algo, CheckedConfig},
    policy::MlpActorCritic,
};

pub use a2c::{a2c, a2c_in};
pub use envs::{evaluation_envs, training_envs};
pub use ppo::{ppo, ppo_in};
pub use reinforce::{reinforce, reinforce_in};

/// The algorithm that the configuration names.
///
/// # Errors
/// [`Error::Env`] if the environment is unknown; [`Error::Space`] if its spaces are not supported.
pub fn configured(config: &CheckedConfig, device: &Device) -> Result<Trainer<MlpActorCritic>, Error> {
    match config.algo {
        Algo::Reinforce => reinforce(config, device),
        Algo::A2c => a2c(config, device),
        Algo::Ppo => ppo(config, device),
    }
}
