//! Estimators of KL divergences.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An estimator of a KL divergence from one sample; see [`KlToReference`](super::KlToReference).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KlEstimator {
    /// `d`: the value is unbiased; the expected gradient is 0, so it adds noise and trains nothing.
    K1,
    /// `d^2 / 2`: the value is biased; the expected gradient is the gradient of KL(pi || reference).
    K2,
    /// `exp(-d) - 1 + d`: the value is unbiased and never negative; the expected gradient is the gradient of
    /// KL(reference || pi).
    K3,
}
