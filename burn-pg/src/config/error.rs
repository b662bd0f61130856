//! Errors of configurations.

use super::Algo;

/// Why a configuration is refused. Keys are named in full, with their table.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no such key.
    #[error("there is no setting `{key}`{}", .nearest.as_ref().map_or_else(String::new, |key| format!("; did you mean `{key}`?")))]
    UnknownKey {
        /// The key.
        key: String,
        /// The key that the user may have meant, if there is a similar one.
        nearest: Option<String>,
    },
    /// The short form of a key fits several keys.
    #[error("`{key}` may be {}; write one of them", super::shape::either(.full))]
    AmbiguousKey {
        /// The key as it was given.
        key: String,
        /// The full keys that end with it.
        full: Vec<String>,
    },
    /// Nothing reads the setting.
    #[error("`{key}` is not read: {reason}")]
    NotRead {
        /// The key.
        key: String,
        /// The reason.
        reason: String,
    },
    /// A value has the wrong type, or is not one of the possible names.
    #[error("`{key}` is {value}; it must be {expected}")]
    Value {
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// The expected values.
        expected: String,
    },
    /// A table lacks a setting that has no default.
    #[error("`{key}` is missing; it must be {expected}")]
    Missing {
        /// The key.
        key: String,
        /// The expected values.
        expected: String,
    },
    /// A number is out of range.
    #[error("`{key}` is {value}; it must be {range}")]
    OutOfRange {
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// The allowed values.
        range: String,
    },
    /// Settings of a part of the run contradict each other.
    #[error("`{key}`: {reason}")]
    Invalid {
        /// The setting, or its table.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// Standard deviations depend on the observation in two ways at once.
    #[error("`network.exploration` has both `state_dependent` and `sde`; it must have one of them at most")]
    AmbiguousExploration,
    /// The rollouts cannot be cut into equal minibatches.
    #[error(
        "`algorithm.num_minibatches` is {num_minibatches}, which does not divide the {batch} samples of a rollout \
         (`env.num_envs` {num_envs} x `rollout.num_steps` {num_steps})"
    )]
    Minibatches {
        /// `algorithm.num_minibatches`
        num_minibatches: usize,
        /// Samples of a rollout.
        batch: usize,
        /// `env.num_envs`
        num_envs: usize,
        /// `rollout.num_steps`
        num_steps: usize,
    },
    /// The run would end before its first update.
    #[error(
        "`run.total_steps` is {total_steps}, which is less than the {batch} steps of one rollout \
         (`env.num_envs` x `rollout.num_steps`): give at least that many"
    )]
    TooFewSteps {
        /// `run.total_steps`
        total_steps: u64,
        /// Steps of a rollout.
        batch: usize,
    },
    /// The run would end before its first update, because a rollout may take more steps, for example one whole episode
    /// of each environment.
    #[error("`run.total_steps` is {total_steps}, which is less than the {longest} steps that one rollout may take")]
    ShorterThanRollout {
        /// `run.total_steps`
        total_steps: u64,
        /// Most steps of a rollout.
        longest: u64,
    },
    /// The objective has no term for a network that the algorithm trains: the policy, or the critic of `trpo`.
    #[error("`algorithm.loss` has no term that trains {of}, and {algo} needs one")]
    Untrained {
        /// The algorithm.
        algo: Algo,
        /// "the policy" or "the critic".
        of: &'static str,
    },
    /// The number of environments differs from the configuration.
    #[error("`env.num_envs` is {num_envs}, but {given} environments were given")]
    EnvCount {
        /// `env.num_envs`
        num_envs: usize,
        /// Number of environments given.
        given: usize,
    },
    /// The environments cannot be shared by the ranks.
    #[error(
        "`env.num_envs` is {num_envs}; it must be a multiple of the {ranks} ranks, which have as many environments each"
    )]
    EnvsOfRanks {
        /// `env.num_envs`
        num_envs: usize,
        /// Number of ranks.
        ranks: usize,
    },
    /// Several errors at once.
    #[error("{}", listed(.0))]
    Several(Vec<ConfigError>),
}

/// Most errors that are listed.
const LISTED: usize = 6;

fn listed(errors: &[ConfigError]) -> String {
    let more = errors.len().saturating_sub(LISTED);
    let mut lines: Vec<_> = errors.iter().take(LISTED).map(|error| format!("\n  {error}")).collect();
    lines.extend((more > 0).then(|| format!("\n  and {more} more")));
    format!("{} settings are wrong:{}", errors.len(), lines.concat())
}

impl ConfigError {
    /// Returns the key that the error is about.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        Some(match self {
            Self::UnknownKey { key, .. }
            | Self::Invalid { key, .. }
            | Self::AmbiguousKey { key, .. }
            | Self::NotRead { key, .. }
            | Self::Value { key, .. }
            | Self::Missing { key, .. }
            | Self::OutOfRange { key, .. } => key,
            Self::AmbiguousExploration => "network.exploration",
            Self::Minibatches { .. } => "algorithm.num_minibatches",
            Self::TooFewSteps { .. } | Self::ShorterThanRollout { .. } => "run.total_steps",
            Self::Untrained { .. } => "algorithm.loss",
            Self::EnvCount { .. } | Self::EnvsOfRanks { .. } => "env.num_envs",
            Self::Several(_) => return None,
        })
    }

    /// Returns the errors one by one.
    #[must_use]
    pub fn each(&self) -> &[Self] {
        match self {
            Self::Several(errors) => errors,
            one => std::slice::from_ref(one),
        }
    }
}

/// Errors that are found one after the other.
#[derive(Debug, Default)]
pub(super) struct Errors(Vec<ConfigError>);

impl Errors {
    pub fn push(&mut self, error: ConfigError) {
        self.0.push(error);
    }

    pub fn add(&mut self, outcome: Result<(), ConfigError>) {
        if let Err(error) = outcome {
            self.0.extend(error.each().to_vec());
        }
    }

    /// True if an error is about this key, or about a setting in this table.
    pub fn are_about(&self, key: &str) -> bool {
        let keys = self.0.iter().filter_map(ConfigError::key);
        keys.filter_map(|found| found.strip_prefix(key)).any(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    pub fn into_result(mut self) -> Result<(), ConfigError> {
        match self.0.len() {
            0 => Ok(()),
            1 => Err(self.0.remove(0)),
            _ => Err(ConfigError::Several(self.0)),
        }
    }
}
