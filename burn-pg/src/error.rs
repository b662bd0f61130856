//! What can go wrong in this crate, in one enum.

use burn_pg_envs::EnvError;

use crate::{
    advantage::GroupSizeError,
    config::ConfigError,
    device::DeviceError,
    distribution::{ActionMisfit, DistributionError},
    loss::ObjectiveError,
    optim::{HyperparameterError, OptimiserStateError},
    policy::UnsupportedSpace,
    run_dir::RunDirError,
    weights::WeightsError,
};

/// Any error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is unknown or out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The device asked for cannot be had.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The environment is unknown or was misused.
    #[error(transparent)]
    Env(#[from] EnvError),
    /// The environments cannot be put into groups of the size asked for.
    #[error(transparent)]
    GroupSize(#[from] GroupSizeError),
    /// There is no policy for a space of the environment.
    #[error(transparent)]
    Space(#[from] UnsupportedSpace),
    /// The objective cannot be trained on.
    #[error(transparent)]
    Objective(#[from] ObjectiveError),
    /// A hyperparameter of an optimiser is out of range.
    #[error(transparent)]
    Hyperparameter(#[from] HyperparameterError),
    /// The state of an optimiser does not fit it.
    #[error(transparent)]
    OptimiserState(#[from] OptimiserStateError),
    /// A run directory cannot be made, written or read.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// A file of weights cannot be written, read, or does not fit the model.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The actions of the policy are not those of the environment. Nothing was begun.
    #[error(transparent)]
    ActionMisfit(#[from] ActionMisfit),
    /// The policy does not give one row of parameters and one value for each observation. Nothing was begun.
    #[error("for {observations} observations the policy gave {rows} distributions and {values:?} values")]
    Prediction {
        /// Observations given to it.
        observations: usize,
        /// Rows of the parameters.
        rows: usize,
        /// Values, if there is a critic.
        values: Option<usize>,
    },
    /// The advantage estimator looks at values, and the policy has no critic. Nothing was begun.
    #[error("the advantage estimator needs the values of a critic, and the policy has none")]
    NoCritic,
    /// The policy's output is not a distribution.
    #[error("the policy gave an impossible distribution after {env_steps} environment steps")]
    Policy {
        /// Environment steps taken before.
        env_steps: u64,
        /// What is wrong with it.
        source: DistributionError,
    },
    /// An environment gave an observation that is NaN or infinite. The weights are as they were.
    #[error("environment {env} gave the observation {value} at index {index} after {env_steps} environment steps")]
    Observation {
        /// Index of the environment.
        env: usize,
        /// Index within the observation.
        index: usize,
        /// The number observed.
        value: f32,
        /// Environment steps taken before.
        env_steps: u64,
    },
    /// An environment gave a reward that is NaN, infinite, or too large for single precision. The weights are as they
    /// were.
    #[error(
        "environment {env} gave the reward {reward} in step {step} of the rollout that began at {env_steps} environment steps"
    )]
    Reward {
        /// Index of the environment.
        env: usize,
        /// Step within the rollout.
        step: usize,
        /// Environment steps before the rollout.
        env_steps: u64,
        /// The reward.
        reward: f32,
    },
    /// A metric of an update is NaN or infinite: a loss, say, or the gradient norm. The weights are as they were before the
    /// update.
    #[error("update {update}: `{metric}` is {value}")]
    NonFinite {
        /// The update, counted from 1.
        update: u64,
        /// Name of the metric.
        metric: &'static str,
        /// Its value.
        value: f64,
    },
    /// The device failed while its results were read.
    #[error("the device failed: {0}")]
    Execution(String),
}
