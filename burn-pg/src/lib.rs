//! Policy-gradient reinforcement learning on [Burn](https://burn.dev), for any CPU or GPU.
//!
//! Policy gradients are one sentence: sample trajectories, estimate how good each action was, push the policy's
//! log-probabilities that way, and not too far. Each of its words is a module here, and plain data flows from one to
//! the next:
//!
//! | part | module | what it does |
//! | --- | --- | --- |
//! | environment | [`burn_pg_envs`] | steps many environments as one batch |
//! | policy | [`policy`], [`distribution`] | maps observations to a distribution over actions and to a value |
//! | rollout | [`rollout`] | acts and records |
//! | advantage | [`advantage`] | says how good each action was |
//! | objective | [`loss`] | a weighted sum of loss terms |
//! | optimiser | [`optim`] | one global gradient norm, optimisers, gradient accumulation, schedules |
//! | trust region | [`trust_region`] | a step that is measured by how far it takes the policy, not the weights |
//! | loop | [`Trainer`] | all of it, on one screen |
//! | checkpoints | [`checkpoint`], [`run_dir`] | a run as data, to go on from exactly there |
//! | composition | [`algorithm`] | REINFORCE, A2C, TRPO and PPO, each a choice of parts |
//! | use | [`Agent`], [`export`], [`import`] | a trained policy from observations to actions, here and in other programs |
//!
//! ```
//! use burn_pg::{Config, DeviceChoice, algorithm::ppo, device};
//!
//! let config = Config {
//!     env: "CartPole-v1".into(),
//!     total_steps: 2_048,
//!     ..Config::default()
//! };
//! let device = device::open(DeviceChoice::Auto)?.device;
//! let mut trainer = ppo(&config.validate()?, &device)?;
//! trainer.run(&mut |stats: &burn_pg::UpdateStats| {
//!     println!("{} steps: {:?}", stats.env_steps, stats.episode_return_mean);
//!     std::ops::ControlFlow::Continue(())
//! })?;
//! # Ok::<(), burn_pg::Error>(())
//! ```
#![forbid(unsafe_code)]

pub mod advantage;
mod agent;
pub mod algorithm;
mod awake;
mod blame;
pub mod checkpoint;
pub mod config;
pub mod device;
pub mod distribution;
mod durable;
mod error;
mod eval;
pub mod export;
pub mod import;
pub mod kernel;
mod learner;
pub mod loss;
pub mod memory_plan;
mod metric_log;
mod metrics;
mod minibatch;
pub mod optim;
pub mod policy;
pub mod profile;
mod readback;
pub mod rollout;
pub mod run_dir;
mod streams;
mod tensors;
mod train;
pub mod trust_region;
pub mod weights;

pub use burn;
pub use burn_pg_envs as envs;

pub use agent::{Agent, Decision};
pub use config::{CheckedConfig, Config, ConfigError};
pub use device::{DeviceChoice, DeviceError};
pub use error::{Error, StepQuantity};
pub use eval::{Evaluation, evaluate};
pub use learner::Learner;
pub use memory_plan::{MemoryPlan, available_memory};
pub use metrics::{Observer, UpdateStats, explained_variance};
pub use train::{Parts, Trainer};
pub use trust_region::{TrustRegion, TrustRegionSpec};
