//! The algorithms and their hyperparameters.

mod a2c;
mod ppo;
mod reinforce;
mod trpo;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Algo;
use crate::{advantage::EstimatorSpec, loss::LossSpec};

pub use a2c::A2cConfig;
pub use ppo::PpoConfig;
pub use reinforce::ReinforceConfig;
pub use trpo::TrpoConfig;

/// The algorithm and its hyperparameters. Each algorithm has only those that it reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum AlgorithmConfig {
    /// Proximal policy optimisation with the clipped surrogate.
    Ppo(PpoConfig),
    /// Advantage actor-critic.
    A2c(A2cConfig),
    /// Trust-region policy optimisation.
    Trpo(TrpoConfig),
    /// The vanilla policy gradient over whole episodes, without a critic.
    Reinforce(ReinforceConfig),
}

impl Default for AlgorithmConfig {
    fn default() -> Self {
        Self::Ppo(PpoConfig::default())
    }
}

impl From<Algo> for AlgorithmConfig {
    /// Returns the defaults of an algorithm.
    fn from(algo: Algo) -> Self {
        match algo {
            Algo::Ppo => Self::Ppo(PpoConfig::default()),
            Algo::A2c => Self::A2c(A2cConfig::default()),
            Algo::Trpo => Self::Trpo(TrpoConfig::default()),
            Algo::Reinforce => Self::Reinforce(ReinforceConfig::default()),
        }
    }
}

macro_rules! from_each {
    ($($algorithm:ident: $config:ty),*) => {
        $(
            impl From<$config> for AlgorithmConfig {
                fn from(config: $config) -> Self {
                    Self::$algorithm(config)
                }
            }
        )*
    };
}
from_each!(Ppo: PpoConfig, A2c: A2cConfig, Trpo: TrpoConfig, Reinforce: ReinforceConfig);

/// Evaluates an expression with the hyperparameters of the algorithm, whichever it is.
macro_rules! in_each {
    ($algorithm:expr, $config:ident => $value:expr) => {
        match $algorithm {
            Self::Ppo($config) => $value,
            Self::A2c($config) => $value,
            Self::Trpo($config) => $value,
            Self::Reinforce($config) => $value,
        }
    };
}

/// The settings of any algorithm.
impl AlgorithmConfig {
    /// Returns the name of the algorithm.
    #[must_use]
    pub fn algo(&self) -> Algo {
        match self {
            Self::Ppo(_) => Algo::Ppo,
            Self::A2c(_) => Algo::A2c,
            Self::Trpo(_) => Algo::Trpo,
            Self::Reinforce(_) => Algo::Reinforce,
        }
    }

    /// Returns the discount factor.
    #[must_use]
    pub fn gamma(&self) -> f64 {
        in_each!(self, config => config.gamma)
    }

    /// True if advantages are normalised.
    #[must_use]
    pub fn normalize_advantages(&self) -> bool {
        in_each!(self, config => config.normalize_advantages)
    }

    /// True if the critic learns normalised values.
    #[must_use]
    pub fn normalize_values(&self) -> bool {
        match self {
            Self::Ppo(PpoConfig { normalize_values, .. })
            | Self::A2c(A2cConfig { normalize_values, .. })
            | Self::Trpo(TrpoConfig { normalize_values, .. }) => *normalize_values,
            Self::Reinforce(_) => false,
        }
    }

    /// Returns the most samples to differentiate at once, if there is a limit.
    #[must_use]
    pub fn micro_batch_size(&self) -> Option<usize> {
        in_each!(self, config => config.micro_batch_size)
    }

    /// Sets the most samples to differentiate at once.
    pub fn set_micro_batch_size(&mut self, size: Option<usize>) {
        in_each!(self, config => config.micro_batch_size = size);
    }

    /// Sets the number of minibatches, if the algorithm has them.
    pub(crate) fn set_num_minibatches(&mut self, count: usize) {
        match self {
            Self::Ppo(PpoConfig { num_minibatches, .. }) | Self::Trpo(TrpoConfig { num_minibatches, .. }) => {
                *num_minibatches = count;
            }
            Self::A2c(_) | Self::Reinforce(_) => {}
        }
    }

    /// Returns the estimator in place of the algorithm's, if there is one.
    #[must_use]
    pub fn estimator(&self) -> Option<EstimatorSpec> {
        in_each!(self, config => config.estimator)
    }

    /// Returns the objective in place of the algorithm's; empty if there is none.
    #[must_use]
    pub fn loss(&self) -> &[LossSpec] {
        in_each!(self, config => &config.loss)
    }

    /// Returns the penalty in the reward, per nat of KL divergence from the policy at the start of the run.
    #[must_use]
    pub fn kl_in_reward(&self) -> f64 {
        in_each!(self, config => config.kl_in_reward)
    }

    /// Returns the passes over each rollout and the minibatches per pass: 1 and 1 for algorithms that take one step per
    /// rollout.
    #[must_use]
    pub fn passes(&self) -> (usize, usize) {
        match self {
            Self::Ppo(PpoConfig { num_epochs, num_minibatches, .. })
            | Self::Trpo(TrpoConfig { num_epochs, num_minibatches, .. }) => (*num_epochs, *num_minibatches),
            Self::A2c(_) | Self::Reinforce(_) => (1, 1),
        }
    }

    /// True if the rollouts are whole episodes.
    #[must_use]
    pub fn acts_by_episodes(&self) -> bool {
        matches!(self, Self::Reinforce(_))
    }

    /// Returns the KL divergence at which passes over a rollout end early; infinite if they never do.
    #[must_use]
    pub fn target_kl(&self) -> f64 {
        match self {
            Self::Ppo(config) => config.target_kl,
            _ => f64::INFINITY,
        }
    }
}
