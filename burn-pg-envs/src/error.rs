//! What can go wrong in this crate.

use crate::UnknownName;

/// An error of an environment or of the batch it is stepped in. Nothing has changed when one is returned.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvError {
    /// No environment of that name is registered.
    #[error(transparent)]
    Unknown(#[from] UnknownName),
    /// A batch of zero environments was asked for.
    #[error("the number of environments must be at least 1")]
    NoEnvs,
    /// The batch of actions has another length than the batch of environments.
    #[error("{actions} actions were given for {envs} environments")]
    BatchSize {
        /// Number of actions given.
        actions: usize,
        /// Number of environments.
        envs: usize,
    },
    /// The batch holds actions of another kind than the action space.
    #[error("the action space is {space}, but {given} actions were given")]
    ActionKind {
        /// The action space.
        space: String,
        /// The kind of action given.
        given: &'static str,
    },
    /// One action lies outside the action space.
    #[error("environment {env}: action {action} is outside {space}")]
    ActionOutOfRange {
        /// Index of the environment in the batch.
        env: usize,
        /// The action given.
        action: String,
        /// The action space.
        space: String,
    },
}
