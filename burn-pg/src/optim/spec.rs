//! The configuration of an optimiser.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Adam, AdamSpec, AdamW, AdamWSpec, HyperparameterError, Optimiser, RmsProp, RmsPropSpec, Sgd, SgdSpec};

/// An optimiser of this library with its hyperparameters. Hyperparameters that a configuration leaves out keep their
/// defaults.
///
/// ```
/// use burn_pg::optim::{OptimiserSpec, RmsPropSpec};
///
/// let spec: OptimiserSpec = toml::from_str("kind = 'rmsprop'\nepsilon = 1e-5")?;
/// assert_eq!(spec, OptimiserSpec::RmsProp(RmsPropSpec { epsilon: 1e-5, ..RmsPropSpec::default() }));
/// spec.validate()?;
/// let optimiser = spec.build();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[non_exhaustive]
pub enum OptimiserSpec {
    /// Adaptive moments: [`Adam`].
    Adam(AdamSpec),
    /// Adaptive moments with decoupled weight decay: [`AdamW`].
    AdamW(AdamWSpec),
    /// Root mean square of past gradients: [`RmsProp`].
    RmsProp(RmsPropSpec),
    /// Stochastic gradient descent: [`Sgd`].
    Sgd(SgdSpec),
}

impl Default for OptimiserSpec {
    fn default() -> Self {
        Self::Adam(AdamSpec::default())
    }
}

impl OptimiserSpec {
    /// Checks every hyperparameter.
    ///
    /// # Errors
    /// [`HyperparameterError`] for the first one that is out of range.
    pub fn validate(&self) -> Result<(), HyperparameterError> {
        match self {
            Self::Adam(spec) => spec.validate(),
            Self::AdamW(spec) => spec.validate(),
            Self::RmsProp(spec) => spec.validate(),
            Self::Sgd(spec) => spec.validate(),
        }
    }

    /// Returns the weight decay of the optimiser.
    #[must_use]
    pub fn weight_decay(&self) -> f64 {
        match self {
            Self::Adam(AdamSpec { weight_decay, .. })
            | Self::AdamW(AdamWSpec { weight_decay, .. })
            | Self::RmsProp(RmsPropSpec { weight_decay, .. })
            | Self::Sgd(SgdSpec { weight_decay, .. }) => *weight_decay,
        }
    }

    /// Returns the number of vectors, each as long as the parameters, that the optimiser keeps between steps.
    #[must_use]
    pub fn vectors(&self) -> usize {
        match self {
            Self::Adam(_) | Self::AdamW(_) => 2,
            Self::RmsProp(spec) => 1 + usize::from(spec.momentum > 0.0) + usize::from(spec.centered),
            Self::Sgd(spec) => usize::from(spec.momentum > 0.0),
        }
    }

    /// Creates the optimiser, before its first step. Hyperparameters are not checked: call [`validate`](Self::validate)
    /// first.
    #[must_use]
    pub fn build(self) -> Box<dyn Optimiser> {
        match self {
            Self::Adam(spec) => Box::new(Adam::new(spec)),
            Self::AdamW(spec) => Box::new(AdamW::new(spec)),
            Self::RmsProp(spec) => Box::new(RmsProp::new(spec)),
            Self::Sgd(spec) => Box::new(Sgd::new(spec)),
        }
    }
}
