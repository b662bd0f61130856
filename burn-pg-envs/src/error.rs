//! The errors of this crate.

use crate::UnknownName;

/// An error of an environment or of a batch of environments. Except for [`Failed`](Self::Failed), nothing has changed
/// when an error is returned.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvError {
    /// No environment of that name is registered.
    #[error(transparent)]
    Unknown(#[from] UnknownName),
    /// The name of an environment is taken.
    #[error("an environment called `{id}` is registered already")]
    Registered {
        /// The name.
        id: String,
    },
    /// A batch of zero environments was asked for.
    #[error("the number of environments must be at least 1")]
    NoEnvs,
    /// The batch of actions has another size than the batch of environments.
    #[error("{numbers} numbers were given as actions of {envs} environments, which take {width} each")]
    BatchSize {
        /// Number of values given.
        numbers: usize,
        /// Number of environments.
        envs: usize,
        /// Number of components of one action.
        width: usize,
    },
    /// The batch holds actions of another kind than the action space.
    #[error("the action space is {space}, but {given} actions were given")]
    ActionKind {
        /// The action space.
        space: String,
        /// The kind of action given.
        given: &'static str,
    },
    /// One action lies outside the action space, or is not finite.
    #[error("environment {env}: component {index} of the action is {value}, which is outside {space}")]
    InvalidAction {
        /// Index of the environment in the batch.
        env: usize,
        /// Index of the component within its action.
        index: usize,
        /// The value given.
        value: f64,
        /// The action space.
        space: String,
    },
    /// An environment of Python, or the worker that steps it, cannot be made.
    #[error("`{id}` cannot be made: {reason}")]
    Python {
        /// Name of the environment.
        id: String,
        /// The reason and, where it is known, what to do.
        reason: String,
    },
    /// Options were given to an environment that takes none.
    #[error(
        "`{id}` takes no `{option}`: only environments of Python do, whose names begin with `gym:`, `envpool:` or `ale:`"
    )]
    Options {
        /// Name of the environment.
        id: String,
        /// The first option that was given.
        option: &'static str,
    },
    /// A specification contradicts itself, the action type of the environment, or another specification that it must
    /// equal.
    #[error("the specification of `{id}` is wrong: {reason}")]
    Spec {
        /// Name of the environment.
        id: String,
        /// The reason.
        reason: String,
    },
    /// A wrapper does not support a space.
    #[error("{what} need {need}, but the {of} space is {space}")]
    Unsuited {
        /// The feature of the wrapper, such as "clipped actions".
        what: &'static str,
        /// The space that the feature needs, such as "a box".
        need: &'static str,
        /// Which of the spaces: "action" or "observation".
        of: &'static str,
        /// The space.
        space: String,
    },
    /// A vector of a [`StepBatch`](crate::StepBatch) has the wrong length.
    #[error("the vector `{vector}` of `{id}` has {given} elements; {envs} environments need {expected}")]
    BatchLen {
        /// Name of the environments.
        id: String,
        /// Name of the vector: a field of [`StepBatch`](crate::StepBatch).
        vector: &'static str,
        /// The length of the vector.
        given: usize,
        /// The length that it must have.
        expected: usize,
        /// Number of environments.
        envs: usize,
    },
    /// An optional part of [`VectorEnv`](crate::VectorEnv) is needed and not implemented.
    #[error("`{id}` does not implement `VectorEnv::{method}`: {needed_for} needs it")]
    Unsupported {
        /// Name of the environments.
        id: String,
        /// The method.
        method: &'static str,
        /// The feature that needs the method.
        needed_for: &'static str,
    },
    /// [`check_env`](crate::check_env) has found that environments break the contract of
    /// [`VectorEnv`](crate::VectorEnv).
    #[error("`{id}` breaks the contract of `VectorEnv`: {reason}")]
    Contract {
        /// Name of the environments.
        id: String,
        /// The part of the contract that is broken, and where.
        reason: String,
    },
    /// The number of flags or seeds is not the number of environments.
    #[error("{given} flags or seeds were given for {envs} environments")]
    MaskLen {
        /// Flags or seeds given.
        given: usize,
        /// Number of environments.
        envs: usize,
    },
    /// An environment whose episode is over, or that has failed, was stepped without a reset.
    #[error("environment {env} must be reset before it is stepped")]
    NeedsReset {
        /// Index of the environment in the batch.
        env: usize,
    },
    /// An environment has failed. All others have been stepped or reset.
    #[error("environment {env}, seeded with {seed}, failed after {steps} steps: {fault}")]
    Failed {
        /// Index of the environment in the batch.
        env: usize,
        /// The seed it was last reset with.
        seed: u64,
        /// Its steps since that reset.
        steps: u64,
        /// The fault.
        fault: Fault,
    },
    /// A state cannot be saved, or a saved state does not fit the environments.
    #[error("the saved state of the environments cannot be used: {reason}")]
    State {
        /// The reason.
        reason: String,
    },
}

/// A failure inside an environment.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It panicked.
    #[error("it panicked: {message}")]
    Panic {
        /// The message of the panic.
        message: String,
    },
    /// A component of its observation is NaN or infinite.
    #[error("component {index} of its observation is {value}")]
    Observation {
        /// Index within the observation.
        index: usize,
        /// The value of the component.
        value: f32,
    },
    /// It reported an error of its own; for environments outside this crate.
    #[error("{message}")]
    Reported {
        /// Its message.
        message: String,
    },
    /// Its reward is NaN or infinite.
    #[error("its reward is {value}")]
    Reward {
        /// The reward.
        value: f64,
    },
}
