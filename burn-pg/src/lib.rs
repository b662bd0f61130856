//! Policy-gradient reinforcement learning on [Burn](https://burn.dev), for any CPU or GPU.
//!
//! A policy-gradient algorithm samples trajectories, estimates how good each action was, and makes good actions more
//! probable, without moving the policy too far at once. Each of these parts is a module, and plain data flows from one
//! to the next:
//!
//! | part | module | what it does |
//! | --- | --- | --- |
//! | environment | [`burn_pg_envs`] | steps many environments as one batch |
//! | policy | [`policy`], [`distribution`] | maps observations to a distribution over actions and to a value |
//! | source | [`source`] | acts, scores and estimates advantages: turns a policy into samples to learn from |
//! | advantage | [`advantage`] | says how good each action was |
//! | objective | [`loss`] | a weighted sum of loss terms; each term gives one loss per sample |
//! | optimiser | [`optim`] | clipping by global gradient norm, optimisers, schedules |
//! | update | [`update`] | improves the policy from samples: epochs of minibatches, or a trust region |
//! | run | [`run`] | the loop ([`Trainer`]), and a run in a directory: checkpoints, exact resume, metrics, observers |
//! | composition | [`algorithm`] | REINFORCE, A2C, TRPO and PPO, each a choice of parts |
//! | ranks | [`ranks`] | several processes or threads that train one policy |
//! | use | [`agent`] | acts with a trained policy: evaluation, export, import |
//!
//! ```
//! use burn_pg::{Config, DeviceChoice, Trainer, device};
//!
//! let mut config = Config::default();
//! config.env.name = "CartPole-v1".into();
//! config.run.total_steps = 2_048;
//! let device = device::open(DeviceChoice::Auto)?.device;
//! let mut trainer = Trainer::of(&config.validate()?, &device)?;
//! trainer.run(&mut |stats: &burn_pg::UpdateStats| {
//!     println!("{} steps: {:?}", stats.env_steps, stats.episode_return_mean);
//!     std::ops::ControlFlow::Continue(())
//! })?;
//! # Ok::<(), burn_pg::Error>(())
//! ```
#![forbid(unsafe_code)]

pub mod advantage;
pub mod agent;
pub mod algorithm;
pub mod config;
pub mod device;
pub mod distribution;
mod error;
pub mod kernel;
pub mod loss;
pub mod optim;
pub mod plan;
pub mod policy;
pub mod profile;
pub mod ranks;
pub mod run;
pub mod source;
pub mod statistics;
pub mod storage;
pub mod update;

pub use burn;
pub use burn_pg_envs as envs;

pub use agent::{Agent, Decision, Evaluation, Player, evaluate, evaluate_episodes, evaluation_envs};
pub use config::{CheckedConfig, Config, ConfigError};
pub use device::{DeviceChoice, DeviceError};
pub use error::{Error, StepQuantity};
pub use plan::{MemoryPlan, available_memory};
pub use run::{Observer, Parts, Trainer, UpdateStats};
pub use update::{Learner, TrustRegion, TrustRegionSpec};

/// Tests the programs in `docs/environments.md`.
#[cfg(doctest)]
#[doc = include_str!("../../docs/environments.md")]
struct Environments;
