//! The error type of this crate.

mod quantity;

pub use quantity::StepQuantity;

use burn_pg_envs::EnvError;

use crate::{
    advantage::GroupSizeError,
    agent::{EnvMisfit, import::ImportError},
    algorithm::StartMisfit,
    config::ConfigError,
    device::{DeviceError, Failed},
    distribution::{ActionMisfit, DistributionError},
    loss::ObjectiveError,
    optim::{HyperparameterError, OptimiserStateError},
    policy::UnsupportedSpace,
    ranks::SyncError,
    run::{checkpoint::CheckpointError, directory::RunDirError, log::LogError},
    source::OffDevice,
    storage::{Misfit, TensorsError, weights::WeightsError},
};

/// Returns the start of a message, which names the update.
fn within(update: Option<u64>) -> String {
    update.map(|update| format!("update {update}: ")).unwrap_or_default()
}

/// Returns the end of a message, which names the cause. A term with the name of the metric is not repeated.
fn because(metric: &str, term: Option<&str>, env: Option<usize>) -> String {
    match (term.filter(|&term| term != metric), env) {
        (None, None) => String::new(),
        (None, Some(env)) => format!(", because of samples of environment {env}"),
        (Some(term), None) => format!(", because of the term `{term}`"),
        (Some(term), Some(env)) => format!(", because of the term `{term}` for samples of environment {env}"),
    }
}

/// Any error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is unknown or out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The requested device is not available.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The environment is unknown or was used incorrectly, or it failed during an evaluation.
    #[error(transparent)]
    Env(#[from] EnvError),
    /// The ranks of the run cannot go on together.
    #[error(transparent)]
    Ranks(#[from] SyncError),
    /// Something that only one rank can do.
    #[error("several ranks cannot train with {what}")]
    NotOnRanks {
        /// What is not possible.
        what: &'static str,
    },
    /// Another rank has failed in an update, which this rank therefore skips too. The weights are unchanged.
    #[error("update {update}: rank {rank} has failed")]
    OtherRank {
        /// The update, counted from 1.
        update: u64,
        /// The rank.
        rank: usize,
        /// True if that rank can go on.
        goes_on: bool,
    },
    /// An environment failed in an update. The weights are unchanged.
    #[error("update {update}, after {env_steps} environment steps: {source}")]
    EnvInUpdate {
        /// The update, counted from 1.
        update: u64,
        /// Environment steps taken before.
        env_steps: u64,
        /// The error of the environment.
        source: EnvError,
    },
    /// The environments cannot be divided into groups of the requested size.
    #[error(transparent)]
    GroupSize(#[from] GroupSizeError),
    /// A network of your own cannot be created.
    #[error("the network cannot be created: {0}")]
    Network(Box<dyn std::error::Error + Send + Sync>),
    /// A network of your own does not implement `Layers::layers`, so it cannot be exported.
    #[error("this kind of network cannot be exported (it does not implement `Layers::layers`)")]
    NotExported,
    /// There is no policy for a space of the environment.
    #[error(transparent)]
    Space(#[from] UnsupportedSpace),
    /// A rollout does not fit on the GPU.
    #[error(transparent)]
    OffDevice(OffDevice),
    /// The objective cannot be used for training.
    #[error(transparent)]
    Objective(#[from] ObjectiveError),
    /// A hyperparameter of an optimiser is out of range.
    #[error(transparent)]
    Hyperparameter(#[from] HyperparameterError),
    /// The state of an optimiser does not fit it.
    #[error(transparent)]
    OptimiserState(#[from] OptimiserStateError),
    /// A run directory cannot be created, written or read.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// A file of weights cannot be written or read, or does not fit the model.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A log for other programs cannot be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A checkpoint cannot be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A checkpoint does not fit the run, or the state of the run cannot be saved.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// More updates failed than `faults.limit` allows. The weights are unchanged.
    #[error("more updates failed than `faults.limit` allows ({limit}); {source}")]
    Faults {
        /// `faults.limit`
        limit: u64,
        /// The error of the last failed update.
        source: Box<Error>,
    },
    /// The policy's distribution does not fit the action space of the environment. Training has not started.
    #[error(transparent)]
    ActionMisfit(#[from] ActionMisfit),
    /// The environments do not fit the agent.
    #[error(transparent)]
    EnvMisfit(#[from] EnvMisfit),
    /// The policy in a file cannot be imported.
    #[error(transparent)]
    Import(Box<ImportError>),
    /// Training cannot start with the policy of an agent.
    #[error(transparent)]
    Start(StartMisfit),
    /// The environment of an agent is not registered in this program.
    #[error(
        "environment `{env}` is not registered in this program; its policy can act and be exported, but evaluating it \
         needs the environment: register it first (`burn_pg::envs::register`)"
    )]
    Unregistered {
        /// Name of the environment.
        env: String,
        /// The error of the registry.
        source: EnvError,
    },
    /// The run does not act in an environment, so there is no agent for its policy.
    #[error("the run does not act in an environment; load the weights of its policy with `Checkpoint::load_policy`")]
    NoEnvironment,
    /// The policy does not give one row of parameters and one value for each observation. Training has not started.
    #[error(
        "the policy gave {rows} rows of parameters and {} values for {observations} observations; it must give one row \
         for each, and with a critic one value for each",
        .values.unwrap_or_default()
    )]
    Prediction {
        /// Number of observations given to the policy.
        observations: usize,
        /// Number of rows of the parameters.
        rows: usize,
        /// Number of values, if there is a critic.
        values: Option<usize>,
    },
    /// The advantage estimator needs values, but the policy has no critic. Training has not started.
    #[error("the advantage estimator needs the values of a critic, but the policy has no critic")]
    NoCritic,
    /// Rollouts consist of whole episodes, but the environment has no time limit, so an episode might never end.
    /// Training has not started.
    #[error(
        "rollouts consist of whole episodes, but environment `{env}` has no time limit, so an episode might never end"
    )]
    NoTimeLimit {
        /// Name of the environment.
        env: String,
    },
    /// The policy has no trainable parameters. Training has not started.
    #[error("the policy has no trainable parameters: all of its weights are frozen, or it has none")]
    Untrainable,
    /// The longest rollout of a source has no steps, so training would never end. Training has not started.
    #[error(
        "the rollouts of source `{name}` have no steps, so training would never end; `longest_rollout` must return more \
         than 0"
    )]
    EmptyRollouts {
        /// Name of the source.
        name: String,
    },
    /// A source gave nothing to learn from. The weights are unchanged.
    #[error(
        "update {update}: the source `{name}` gave {rows} samples with mass {mass}; it must give samples, and their mass \
         must be more than 0"
    )]
    NoSamples {
        /// The update, counted from 1.
        update: u64,
        /// Name of the source.
        name: String,
        /// Number of samples.
        rows: usize,
        /// The divisor of sums of losses.
        mass: f64,
    },
    /// No sample of an update could be scored. The weights are unchanged.
    #[error(
        "update {update}: none of the {samples} samples could be scored; check the reward, or let such updates be skipped: `faults.numbers = \"skip\"`"
    )]
    Unscored {
        /// The update, counted from 1.
        update: u64,
        /// Number of samples.
        samples: usize,
    },
    /// A custom source failed. The weights are unchanged.
    #[error("the source `{name}` failed: {source}")]
    Source {
        /// Name of the source.
        name: String,
        /// Why it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Two metrics of an update have the same name, or a metric has the name of a field of
    /// [`UpdateStats`](crate::UpdateStats). The weights are unchanged.
    #[error("two values of an update have the name `{name}`; rename the metric of the source or of the loss term")]
    MetricName {
        /// The name.
        name: String,
    },
    /// The policy's output is not a distribution. The weights are unchanged.
    #[error(
        "{}the policy gave environment {} an impossible distribution after {env_steps} environment steps",
        within(*.update), .source.row()
    )]
    Policy {
        /// The update, counted from 1; `None` in an evaluation.
        update: Option<u64>,
        /// Environment steps taken before.
        env_steps: u64,
        /// The error of the distribution. Its row is the index of the environment.
        source: DistributionError,
    },
    /// An environment gave an observation that is NaN or infinite. The weights are unchanged.
    #[error(
        "{}environment {env} gave the observation {value} at index {index} after {env_steps} environment steps",
        within(*.update)
    )]
    Observation {
        /// The update, counted from 1; `None` in an evaluation.
        update: Option<u64>,
        /// Index of the environment.
        env: usize,
        /// Index within the observation.
        index: usize,
        /// The element at `index`.
        value: f32,
        /// Environment steps taken before.
        env_steps: u64,
    },
    /// An environment gave an image with a value outside the range of its space. The weights are unchanged.
    #[error(
        "{}environment {env} gave the pixel {value} at index {index} after {env_steps} environment steps; pixels must be \
         whole numbers from 0 to {high}",
        within(*.update)
    )]
    ImageValue {
        /// The update, counted from 1; `None` in an evaluation.
        update: Option<u64>,
        /// Index of the environment.
        env: usize,
        /// Index within the flat observation.
        index: usize,
        /// The value.
        value: f32,
        /// The largest value of the space.
        high: u8,
        /// Environment steps taken before.
        env_steps: u64,
    },
    /// An environment gave a reward that is NaN, infinite, or too large for single precision. The weights are
    /// unchanged.
    #[error(
        "update {update}: environment {env} gave the reward {reward} in step {step} of the rollout that began at \
         {env_steps} environment steps"
    )]
    Reward {
        /// The update, counted from 1.
        update: u64,
        /// Index of the environment.
        env: usize,
        /// Step within the rollout.
        step: usize,
        /// Environment steps before the rollout.
        env_steps: u64,
        /// The reward.
        reward: f32,
    },
    /// A quantity of a step that would be used for training is NaN, infinite, or too large for single precision. The
    /// weights are unchanged.
    #[error("update {update}: the {quantity} of environment {env} in step {step} of the rollout is {value}")]
    Step {
        /// The update, counted from 1.
        update: u64,
        /// Which quantity.
        quantity: StepQuantity,
        /// Index of the environment.
        env: usize,
        /// Step within the rollout.
        step: usize,
        /// Its value.
        value: f64,
    },
    /// A metric of an update (for example a loss or the gradient norm) or one of the new weights is NaN or infinite.
    /// The weights are as before the update.
    #[error("update {update}: `{metric}` is {value}{}", because(.metric, *.term, *.env))]
    NonFinite {
        /// The update, counted from 1.
        update: u64,
        /// Name of the metric, or `weights`.
        metric: &'static str,
        /// Its value.
        value: f64,
        /// Name of the first loss term with a loss, metric or gradient that is not finite for samples of `env`. A term
        /// with the name of `metric` is checked first, and is reported even if `env` is `None`.
        term: Option<&'static str>,
        /// Index of an environment with samples for which the policy before the update already gives a loss, metric or
        /// gradient that is not finite. `None` if there is none, for example if a step was too large.
        env: Option<usize>,
    },
    /// The device failed while its results were read.
    #[error("the device failed: {0}")]
    Execution(String),
}

impl From<ImportError> for Error {
    fn from(error: ImportError) -> Self {
        Self::Import(Box::new(error))
    }
}

impl From<StartMisfit> for Error {
    fn from(misfit: StartMisfit) -> Self {
        match misfit {
            StartMisfit::Networks(TensorsError::Device { reason }) => Self::Execution(reason),
            misfit => Self::Start(misfit),
        }
    }
}

impl From<Failed> for Error {
    fn from(Failed(reason): Failed) -> Self {
        Self::Execution(reason)
    }
}

impl Error {
    /// Adds the update to an error of an environment or of the policy that acts in it. `env_steps` are the environment
    /// steps taken before; only [`Error::EnvInUpdate`] uses them.
    pub(crate) fn in_update(self, update: u64, env_steps: u64) -> Self {
        match self {
            Self::Env(source) => Self::EnvInUpdate { update, env_steps, source },
            Self::Policy { env_steps, source, .. } => Self::Policy { update: Some(update), env_steps, source },
            Self::Observation { env, index, value, env_steps, .. } => {
                Self::Observation { update: Some(update), env, index, value, env_steps }
            }
            Self::ImageValue { env, index, value, high, env_steps, .. } => {
                Self::ImageValue { update: Some(update), env, index, value, high, env_steps }
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_in_an_update_name_the_update() {
        let message_of = |error: Error| error.in_update(3, 640).to_string();
        let observation = || Error::Observation { update: None, env: 1, index: 2, value: f32::NAN, env_steps: 640 };
        let message = "environment 1 gave the observation NaN at index 2 after 640 environment steps";
        assert_eq!(observation().to_string(), message);
        assert_eq!(message_of(observation()), format!("update 3: {message}"));
        let policy = |env_steps| {
            let source = DistributionError::NothingPossible { row: 1 };
            Error::Policy { update: None, env_steps, source }
        };
        assert_eq!(message_of(policy(640)), format!("update 3: {}", policy(640)));
        let message = "update 3, after 640 environment steps: environment 1 must be reset before it is stepped";
        assert_eq!(message_of(EnvError::NeedsReset { env: 1 }.into()), message);
    }
}
