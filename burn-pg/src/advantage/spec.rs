//! An estimator as a configuration names it.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use super::{AdvantageEstimator, Bootstrap, Gae, NStep, RewardToGo, VTrace};

/// An estimator of this library, but for the discount, which a configuration says once for all.
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
/// The group baselines are not among them: they compare episodes that begin alike, which those of the classic tasks do
/// not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
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
        /// Rewards to take before the value stands for the rest, 1 or more.
        n: NonZeroUsize,
    },
    /// [`RewardToGo`], `kind = "reward_to_go"`.
    RewardToGo {
        /// Judge an action by how far its return exceeds the value? Default false.
        #[serde(default)]
        baseline: bool,
        /// What stands for the rewards that were cut off: `zero` or `next_values`.
        bootstrap: Bootstrap,
    },
    /// [`VTrace`], `kind = "vtrace"`. It is there for actions that another policy took. In the loop of this library the
    /// policy that took them is the one to improve, so every ratio is 1, and with both bounds at least 1 this is
    /// [`Gae`] with lambda 1; smaller bounds shrink every error alike.
    #[serde(rename = "vtrace")]
    VTrace {
        /// Bound of the weight of an error, more than 0.
        rho_clip: f64,
        /// Bound of the weight with which later errors are traced back, more than 0 and at most `rho_clip`.
        c_clip: f64,
    },
}

impl EstimatorSpec {
    /// The name and the range of the first number that is out of range.
    #[must_use]
    pub fn fault(&self) -> Option<(&'static str, f64, &'static str)> {
        match *self {
            Self::Gae { lambda } if !(0.0..=1.0).contains(&lambda) => {
                Some(("estimator.lambda", lambda, "between 0 and 1"))
            }
            Self::VTrace { rho_clip, .. } if rho_clip.is_nan() || rho_clip <= 0.0 => {
                Some(("estimator.rho_clip", rho_clip, "more than 0"))
            }
            Self::VTrace { rho_clip, c_clip } if !(0.0 < c_clip && c_clip <= rho_clip) => {
                Some(("estimator.c_clip", c_clip, "more than 0, and at most `rho_clip`"))
            }
            _ => None,
        }
    }

    /// The estimator. Numbers are taken as they are: see [`fault`](Self::fault).
    #[must_use]
    pub fn build(self, gamma: f64) -> Box<dyn AdvantageEstimator> {
        match self {
            Self::Gae { lambda } => Box::new(Gae { gamma, lambda }),
            Self::NStep { n } => Box::new(NStep { gamma, n }),
            Self::RewardToGo { baseline, bootstrap } => Box::new(RewardToGo { gamma, baseline, bootstrap }),
            Self::VTrace { rho_clip, c_clip } => Box::new(VTrace { gamma, rho_clip, c_clip }),
        }
    }
}
