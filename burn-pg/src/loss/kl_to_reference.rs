//! The divergence from a reference policy.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{ContextPart, LossContext, LossTerm, PerSample, ratio};

/// The divergence KL(pi || reference) of the policy from one that is not trained, estimated from one action each:
///
/// ```text
/// L = mean(k),   d = log pi(a|s) - log reference(a|s),   a of pi
/// ```
///
/// with one of three estimators k of d. They differ in what is asked of them, and the right value does not make a right
/// gradient: pi is also what draws the actions, and the derivative of a sample does not know that.
///
/// | estimator | k | its mean | the mean of its gradient |
/// | --- | --- | --- | --- |
/// | [`K1`](KlEstimator::K1) | `d` | KL(pi \|\| reference) | 0 |
/// | [`K2`](KlEstimator::K2) | `d^2 / 2` | biased; near for small d | the gradient of KL(pi \|\| reference) |
/// | [`K3`](KlEstimator::K3) | `exp(-d) - 1 + d` | KL(pi \|\| reference) | the gradient of KL(reference \|\| pi) |
///
/// So train with [`K2`](KlEstimator::K2), unless you want the other divergence. All of this holds while the actions are
/// those of the current policy. Beyond `exp(-d)` = e^40 (e^350 in double precision) that exponential grows along its
/// tangent, so that it does not overflow.
///
/// Needs [`ContextPart::ReferenceLogProbs`]; computing it without them is a panic.
///
/// Reports `reference_kl_loss`, which is L; and `reference_kl` (`mean(exp(-d) - 1 + d)`, the unbiased k3, whichever
/// estimator is trained on).
///
/// Source: J. Schulman, *Approximating KL divergence* (2020). That the gradients differ is most easily seen from the
/// score function: `grad k = k'(d) grad log pi`, and k' is 1, d and 1 - reference / pi.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KlToReference {
    /// What is averaged.
    pub estimator: KlEstimator,
}

/// An estimator of a divergence from one sample; see [`KlToReference`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KlEstimator {
    /// `d`: the value is unbiased; the expected gradient is 0, so it adds noise and trains nothing.
    K1,
    /// `d^2 / 2`: the value is biased; the expected gradient is that of the divergence.
    K2,
    /// `exp(-d) - 1 + d`: the value is unbiased and never negative; the expected gradient is that of the divergence the
    /// other way round.
    K3,
}

impl LossTerm for KlToReference {
    fn name(&self) -> &'static str {
        "reference_kl_loss"
    }

    fn compute(&self, context: &LossContext<'_>) -> PerSample {
        let difference = context.log_probs() - context.reference_log_probs();
        let loss = match self.estimator {
            KlEstimator::K1 => difference.clone(),
            KlEstimator::K2 => difference.clone().square().mul_scalar(0.5),
            KlEstimator::K3 => k3(&difference),
        };
        PerSample::new(loss).with_metric("reference_kl", k3(&difference.inner()))
    }

    fn needs(&self) -> &'static [ContextPart] {
        &[ContextPart::ReferenceLogProbs]
    }
}

/// `exp(-d) - 1 + d`
fn k3(difference: &Tensor<1>) -> Tensor<1> {
    // The actions are those of pi, so the ratio is that of the reference to pi.
    let log_ratio = difference.clone().neg();
    ratio::k3(&ratio::exp(&log_ratio), &log_ratio)
}
