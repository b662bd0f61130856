//! The configuration of an estimator.

use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AdvantageEstimator, Bootstrap, Gae, NStep, RewardToGo};

/// The configuration of an estimator, without the discount, which is a separate setting.
///
/// ```
/// use burn_pg::advantage::EstimatorSpec;
///
/// let spec: EstimatorSpec = toml::from_str("kind = 'n_step'\nn = 5")?;
/// let estimator = spec.build(0.99);
/// assert!(estimator.needs_values());
/// # Ok::<(), toml::de::Error>(())
/// ```
///
/// The group baselines and [`VTrace`](super::VTrace) are left out; a custom source can use them. Group baselines
/// compare episodes that begin in the same state, unlike those of the classic tasks, and V-trace corrects for the
/// actions of another policy, while here the current policy acts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum EstimatorSpec {
    /// [`Gae`], `kind = "gae"`.
    Gae {
        /// Weight of longer sums, 0 to 1.
        lambda: f64,
    },
    /// [`NStep`], `kind = "n_step"`.
    NStep {
        /// Number of rewards before the value stands for the rest, 1 or more.
        n: NonZeroUsize,
    },
    /// [`RewardToGo`], `kind = "reward_to_go"`.
    RewardToGo {
        /// True to subtract the value from the return. Default false.
        #[serde(default)]
        baseline: bool,
        /// What replaces the rewards that were cut off: `zero` or `next_values`.
        bootstrap: Bootstrap,
    },
}

impl EstimatorSpec {
    /// Returns the name, the value and the range of the first hyperparameter that is out of range.
    #[must_use]
    pub fn fault(&self) -> Option<(&'static str, f64, &'static str)> {
        match *self {
            Self::Gae { lambda } if !(0.0..=1.0).contains(&lambda) => {
                Some(("estimator.lambda", lambda, "between 0 and 1"))
            }
            _ => None,
        }
    }

    /// Creates the estimator. Hyperparameters are not checked: see [`fault`](Self::fault).
    #[must_use]
    pub fn build(self, gamma: f64) -> Box<dyn AdvantageEstimator> {
        match self {
            Self::Gae { lambda } => Box::new(Gae { gamma, lambda }),
            Self::NStep { n } => Box::new(NStep { gamma, n }),
            Self::RewardToGo { baseline, bootstrap } => Box::new(RewardToGo { gamma, baseline, bootstrap }),
        }
    }
}
