//! Errors of configurations.

use burn_pg_envs::UnknownName;

use super::Algo;

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no such key.
    #[error(transparent)]
    UnknownKey(#[from] UnknownName),
    /// A value has the wrong type, or is not one of the possible names.
    #[error("{0}")]
    Value(String),
    /// A number is out of range.
    #[error("`{key}` is {value}, but must be {range}")]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// The allowed values.
        range: &'static str,
    },
    /// Standard deviations depend on the observation in two ways at once.
    #[error("`exploration` has both `state_dependent` and `sde`, but must have one of them at most")]
    AmbiguousExploration,
    /// The rollouts cannot be cut into equal minibatches.
    #[error(
        "`num_minibatches` is {num_minibatches}, which does not divide the {batch} samples of a rollout \
         (`num_envs` {num_envs} x `num_steps` {num_steps})"
    )]
    Minibatches {
        /// `num_minibatches`
        num_minibatches: usize,
        /// Samples of a rollout.
        batch: usize,
        /// `num_envs`
        num_envs: usize,
        /// `num_steps`
        num_steps: usize,
    },
    /// The run would end before its first update.
    #[error(
        "`total_steps` is {total_steps}, which is less than the {batch} steps of one rollout \
         (`num_envs` x `num_steps`)"
    )]
    TooFewSteps {
        /// `total_steps`
        total_steps: u64,
        /// Steps of a rollout.
        batch: usize,
    },
    /// The run would end before its first update, because a rollout may take more steps, for example one whole episode
    /// of each environment.
    #[error("`total_steps` is {total_steps}, which is less than the {longest} steps that one rollout may take")]
    ShorterThanRollout {
        /// `total_steps`
        total_steps: u64,
        /// Most steps of a rollout.
        longest: u64,
    },
    /// The objective has no term for a network that the algorithm trains: the policy, or the critic of `trpo`.
    #[error("`loss` has no term that trains {of}, and {algo} needs one")]
    Untrained {
        /// The algorithm.
        algo: Algo,
        /// "the policy" or "the critic".
        of: &'static str,
    },
    /// The number of environments differs from the configuration.
    #[error("`num_envs` is {num_envs}, but {given} environments were given")]
    EnvCount {
        /// `num_envs`
        num_envs: usize,
        /// Number of environments given.
        given: usize,
    },
}
