//! Algorithms: each is a [recipe](Recipe), a choice of parts for the one [loop](crate::Trainer).
//!
//! | algorithm | rollouts | advantages | objective |
//! | --- | --- | --- | --- |
//! | [`reinforce`] | whole episodes | discounted rewards to go | policy gradient, entropy |
//! | [`a2c`] | steps | generalised advantages | policy gradient, value, entropy |
//! | [`trpo`] | steps | generalised advantages | surrogate, entropy, in a trust region; then value, in several passes |
//! | [`ppo`] | steps | generalised advantages | clipped surrogate, value, entropy; several passes over a rollout |

mod a2c;
mod envs;
mod ppo;
mod recipe;
mod reinforce;
mod trpo;

use burn::tensor::Device;
use burn_pg_envs::make;

use crate::{Error, Trainer, config::CheckedConfig, policy::ActorCritic};

pub use a2c::a2c;
pub use envs::training_envs;
pub use ppo::ppo;
pub use recipe::{Recipe, seeded};
pub use reinforce::reinforce;
pub use trpo::trpo;

/// Creates a trainer with the algorithm and the environment of the configuration.
///
/// # Errors
/// [`Error::Env`] if the environment is unknown; see also [`Recipe::build`].
pub fn configured(config: &CheckedConfig, device: &Device) -> Result<Trainer<ActorCritic>, Error> {
    Recipe::of(config)?.build(make(&config.env, config.num_envs)?, config, device)
}
