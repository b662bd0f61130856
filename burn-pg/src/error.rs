//! What can go wrong in this crate, in one enum.

use std::fmt;

use burn_pg_envs::EnvError;

use crate::{
    advantage::GroupSizeError,
    agent::EnvMisfit,
    config::ConfigError,
    device::DeviceError,
    distribution::{ActionMisfit, DistributionError},
    loss::ObjectiveError,
    optim::{HyperparameterError, OptimiserStateError},
    policy::UnsupportedSpace,
    run::{checkpoint::CheckpointError, directory::RunDirError},
    storage::{Misfit, weights::WeightsError},
};

/// A number that belongs to a step of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepQuantity {
    /// The log-probability of the action.
    LogProb,
    /// The value of the observation acted on.
    Value,
    /// The value of the observation that followed.
    NextValue,
    /// The log-probability of the action under the reference policy.
    ReferenceLogProb,
    /// The reward less the KL penalty (`kl_in_reward`).
    ShapedReward,
    /// The advantage of the action.
    Advantage,
    /// The return.
    Return,
}

impl fmt::Display for StepQuantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LogProb => "log-probability",
            Self::Value => "value",
            Self::NextValue => "next value",
            Self::ReferenceLogProb => "log-probability under the reference policy",
            Self::ShapedReward => "reward less the KL penalty (`kl_in_reward`)",
            Self::Advantage => "advantage",
            Self::Return => "return",
        })
    }
}

/// What a message begins with.
fn within(update: Option<u64>) -> String {
    update.map(|update| format!("update {update}: ")).unwrap_or_default()
}

/// What a message ends with. A term that has the name of the metric need not be named again.
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
    /// The device asked for cannot be had.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The environment is unknown or was misused; or, in an evaluation, it failed.
    #[error(transparent)]
    Env(#[from] EnvError),
    /// An environment failed in an update. The weights are as they were.
    #[error("update {update}, after {env_steps} environment steps: {source}")]
    EnvInUpdate {
        /// The update, counted from 1.
        update: u64,
        /// Environment steps taken before.
        env_steps: u64,
        /// How it failed.
        source: EnvError,
    },
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
    /// A checkpoint cannot be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A checkpoint is one of another run.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// More updates failed than the configuration lets pass. The weights are as they were.
    #[error("{limit} updates had failed before (`faults.limit`); {source}")]
    Faults {
        /// `faults.limit`
        limit: u64,
        /// What the last one failed of.
        source: Box<Error>,
    },
    /// The actions of the policy are not those of the environment. Nothing was begun.
    #[error(transparent)]
    ActionMisfit(#[from] ActionMisfit),
    /// The environments given to an agent are not those it is for.
    #[error(transparent)]
    EnvMisfit(#[from] EnvMisfit),
    /// The environment of an agent is not registered in this program.
    #[error(
        "environment `{env}` is not registered in this program; its policy can act and be exported, but to evaluate it, \
         register the environment first (`burn_pg::envs::register`)"
    )]
    Unregistered {
        /// Its name.
        env: String,
        /// What the registry says.
        source: EnvError,
    },
    /// A run has no environment, and its policy is no agent.
    #[error("the run does not act in an environment; load the weights of its policy with `Checkpoint::load_policy`")]
    NoEnvironment,
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
    /// Rollouts are of whole episodes, and nothing ends those of the environment if the policy does not. Nothing was
    /// begun.
    #[error("rollouts are of whole episodes, and those of environment `{env}` have no time limit")]
    NoTimeLimit {
        /// Its name.
        env: String,
    },
    /// The longest rollout of a source has no steps, so that training would never end. Nothing was begun.
    #[error("the source `{name}` says that its rollouts have no steps (`longest_rollout`)")]
    EmptyRollouts {
        /// Its name.
        name: String,
    },
    /// Two metrics of an update have one name, or one has the name of a field of [`UpdateStats`](crate::UpdateStats).
    /// The weights are as they were.
    #[error(
        "two numbers of an update are reported as `{name}`; give the metric of the source or of the loss term another name"
    )]
    MetricName {
        /// The name.
        name: String,
    },
    /// The policy's output is not a distribution. The weights are as they were.
    #[error(
        "{}the policy gave environment {} an impossible distribution after {env_steps} environment steps",
        within(*.update), .source.row()
    )]
    Policy {
        /// The update, counted from 1; `None` in an evaluation.
        update: Option<u64>,
        /// Environment steps taken before.
        env_steps: u64,
        /// What is wrong with it. Its row is the environment.
        source: DistributionError,
    },
    /// An environment gave an observation that is NaN or infinite. The weights are as they were.
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
        /// The number observed.
        value: f32,
        /// Environment steps taken before.
        env_steps: u64,
    },
    /// An environment wrote a value into an image that is out of the range of its space. The weights are as they were.
    #[error(
        "{}environment {env} gave the value {value} at index {index}, a part of an image, after {env_steps} environment \
         steps; its space has whole numbers from 0 to {high}",
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
    /// An environment gave a reward that is NaN, infinite, or too large for single precision. The weights are as they
    /// were.
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
    /// A number that belongs to a step of a rollout, and would be trained on, is NaN, infinite, or too large for single
    /// precision. The weights are as they were.
    #[error("update {update}: the {quantity} of environment {env} in step {step} of the rollout is {value}")]
    Step {
        /// The update, counted from 1.
        update: u64,
        /// What the number is.
        quantity: StepQuantity,
        /// Index of the environment.
        env: usize,
        /// Step within the rollout.
        step: usize,
        /// The number.
        value: f64,
    },
    /// A metric of an update is NaN or infinite: a loss, say, or the gradient norm; or the weights are that it led to.
    /// The weights are as they were before the update.
    #[error("update {update}: `{metric}` is {value}{}", because(.metric, *.term, *.env))]
    NonFinite {
        /// The update, counted from 1.
        update: u64,
        /// Name of the metric, or `weights`.
        metric: &'static str,
        /// Its value.
        value: f64,
        /// Name of the first loss term that, for those samples, has a loss, a metric or a gradient that is not finite. If
        /// the metric is the loss of a term, that one comes first, and there need not be such samples.
        term: Option<&'static str>,
        /// Index of an environment whose samples alone, or in sequences one sequence of it, bring it about before the
        /// first step of the update. `None` if there is none: the steps were too large, say.
        env: Option<usize>,
    },
    /// The device failed while its results were read.
    #[error("the device failed: {0}")]
    Execution(String),
}

impl Error {
    /// Of an environment, or of the policy that acts in it, says in which update it came up; `env_steps` were taken
    /// before.
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
    fn what_fails_in_an_update_says_in_which() {
        let told = |error: Error| error.in_update(3, 640).to_string();
        let observation = || Error::Observation { update: None, env: 1, index: 2, value: f32::NAN, env_steps: 640 };
        let message = "environment 1 gave the observation NaN at index 2 after 640 environment steps";
        assert_eq!(observation().to_string(), message);
        assert_eq!(told(observation()), format!("update 3: {message}"));
        let policy = |env_steps| {
            let source = DistributionError::NothingPossible { row: 1 };
            Error::Policy { update: None, env_steps, source }
        };
        assert_eq!(told(policy(640)), format!("update 3: {}", policy(640)));
        let message = "update 3, after 640 environment steps: environment 1 must be reset before it is stepped";
        assert_eq!(told(EnvError::NeedsReset { env: 1 }.into()), message);
    }
}
