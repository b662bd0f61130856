//! Vectorised reinforcement-learning environments, with the dynamics and the seeding of Gymnasium.
//!
//! An [`Env`] is one environment. It takes an action and gives an observation, a reward and two flags, `terminated` and
//! `truncated`, which are never merged. A [`VecEnv`] steps many copies of it as one batch, in parallel if that is
//! faster. A simulator that steps many environments at once implements [`VectorEnv`] itself; [`check_env`] checks its
//! contract in a test. The [registry](make) creates environments by name.
//!
//! ```
//! use burn_pg_envs::{Actions, make};
//!
//! let mut envs = make("CartPole-v1", 4)?;
//! envs.reset(7)?;
//! let batch = envs.step(Actions::Discrete(&[0, 1, 1, 0]))?;
//! assert_eq!(batch.rewards, [1.0; 4]);
//! assert_eq!(batch.observations.len(), 4 * 4);
//! # Ok::<(), burn_pg_envs::EnvError>(())
//! ```
#![forbid(unsafe_code)]

mod action;
mod check;
pub mod classic;
#[cfg(feature = "cube")]
pub mod device;
mod env;
mod error;
mod normalizer;
mod options;
#[cfg(feature = "python")]
pub mod python;
mod registry;
pub mod render;
mod seeding;
mod space;
mod unknown;
mod vector;
pub mod wrapper;

pub use action::{ActionBuffer, Actions, EnvAction};
pub use check::{CheckReport, check_env};
pub use env::{Env, EnvSpec, Step};
pub use error::{EnvError, Fault};
pub use options::{EnvOptions, EnvWrapper};
pub use registry::{is_of_python, make, make_with, register, register_env, spec, spec_with, specs, unregister};
pub use seeding::{EnvRng, SeedSequence};
pub use space::{Part, Space};
pub use unknown::UnknownName;
pub use vector::{
    Autoreset, EnvBlock, Gather, SavedEnvs, StepBatch, StepView, VecEnv, VectorEnv, WholeBatch, check_blocks,
};
