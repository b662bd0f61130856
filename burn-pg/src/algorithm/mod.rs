//! Algorithms: each is a [recipe](Recipe), a choice of parts for the one [loop](crate::Trainer).
//!
//! | algorithm | rollouts | advantages | objective |
//! | --- | --- | --- | --- |
//! | [`reinforce`](Recipe::reinforce) | whole episodes | discounted rewards to go | policy gradient, entropy |
//! | [`a2c`](Recipe::a2c) | steps | generalised advantages | policy gradient, value, entropy |
//! | [`trpo`](Recipe::trpo) | steps | generalised advantages | surrogate, entropy, in a trust region; then value, in several passes |
//! | [`ppo`](Recipe::ppo) | steps | generalised advantages | clipped surrogate, value, entropy; several passes over a rollout |

mod a2c;
mod envs;
mod on_device;
mod ppo;
mod recipe;
mod reinforce;
mod start;
mod start_misfit;
mod trpo;

use burn::tensor::Device;

use crate::{Error, Trainer, config::CheckedConfig, policy::ActorCritic};

pub use envs::training_envs;
pub(crate) use on_device::off_device;
pub use recipe::{Recipe, seeded};
pub use start_misfit::StartMisfit;

impl Trainer<ActorCritic> {
    /// Creates a trainer with the algorithm, the networks and the environment of the configuration.
    ///
    /// # Errors
    /// [`Error::Env`] if the environment is unknown; see also [`Recipe::build`].
    pub fn of(config: &CheckedConfig, device: &Device) -> Result<Self, Error> {
        Recipe::of(config)?.build(config.env.make(config.env.num_envs)?, config, device)
    }
}
