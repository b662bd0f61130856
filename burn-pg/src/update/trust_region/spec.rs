//! The hyperparameters of a trust-region step.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::optim::{HyperparameterError, Hyperparameters};

/// The hyperparameters of a [`TrustRegion`](super::TrustRegion). The defaults are those of Stable-Baselines3's TRPO.
///
/// ```
/// use burn_pg::TrustRegionSpec;
///
/// let spec: TrustRegionSpec = toml::from_str("max_kl = 0.02")?;
/// assert_eq!(spec, TrustRegionSpec { max_kl: 0.02, ..TrustRegionSpec::default() });
/// spec.validate()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrustRegionSpec {
    /// Radius: the largest mean KL divergence of the new policy from the old one, in nats, more than 0. Default 0.01.
    pub max_kl: f64,
    /// Largest number of conjugate-gradient iterations, 1 to 1,000; each computes a product with the Fisher matrix. Default 15.
    pub cg_iterations: usize,
    /// Residual at which the iterations end, as a share of the gradient, 0 or more and less than 1. Default 1e-5.
    pub cg_tolerance: f64,
    /// Added to the diagonal of the Fisher matrix, 0 or more. Without it, steps in directions that do not change the
    /// policy in the sampled states could be of any length. Default 0.1.
    pub damping: f64,
    /// Factor by which a rejected step is shortened, more than 0 and less than 1. Default 0.8.
    pub backtrack_factor: f64,
    /// How often a step may be shortened before it is given up, at most 1,000. Default 10.
    pub max_backtracks: usize,
}

impl Default for TrustRegionSpec {
    fn default() -> Self {
        Self {
            max_kl: 0.01,
            cg_iterations: 15,
            cg_tolerance: 1e-5,
            damping: 0.1,
            backtrack_factor: 0.8,
            max_backtracks: 10,
        }
    }
}

impl TrustRegionSpec {
    /// Checks every hyperparameter.
    ///
    /// # Errors
    /// [`HyperparameterError`] for the first one that is out of range.
    pub fn validate(&self) -> Result<(), HyperparameterError> {
        let of = Hyperparameters { optimiser: "trust_region" };
        of.check_positive("max_kl", self.max_kl)?;
        of.check_count("cg_iterations", self.cg_iterations, 1..=1000, "between 1 and 1000")?;
        of.check_decay("cg_tolerance", self.cg_tolerance)?;
        of.check_not_negative("damping", self.damping)?;
        of.check_positive("backtrack_factor", self.backtrack_factor)?;
        of.check_decay("backtrack_factor", self.backtrack_factor)?;
        of.check_count("max_backtracks", self.max_backtracks, 0..=1000, "at most 1000")
    }
}
