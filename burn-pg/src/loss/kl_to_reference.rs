//! The KL divergence from a reference policy.

use super::{ClosedForm, ContextPart, KlEstimator, LossContext, LossTerm, PerSample, ratio};
use crate::kernel::formula;
use burn::tensor::Tensor;

/// The KL divergence KL(pi || reference) of the policy from a reference policy that is not trained, estimated from one
/// action for each state:
///
/// ```text
/// L = mean(k),   d = log pi(a|s) - log reference(a|s),   a of pi
/// ```
///
/// with one of three estimators k of d. An estimator with the right mean can have the wrong gradient, because the
/// derivative of a sample ignores that the actions are drawn from pi.
///
/// | estimator | k | mean of k | mean of the gradient of k |
/// | --- | --- | --- | --- |
/// | [`K1`](KlEstimator::K1) | `d` | KL(pi \|\| reference) | 0 |
/// | [`K2`](KlEstimator::K2) | `d^2 / 2` | biased; close for small d | the gradient of KL(pi \|\| reference) |
/// | [`K3`](KlEstimator::K3) | `exp(-d) - 1 + d` | KL(pi \|\| reference) | the gradient of KL(reference \|\| pi) |
///
/// Train with [`K2`](KlEstimator::K2), unless you want to minimise KL(reference || pi). The table holds as long as the
/// current policy took the actions. Beyond `exp(-d)` = e^40 (e^350 in double precision) the exponential follows its
/// tangent, so that it does not overflow.
///
/// Needs [`ContextPart::ReferenceLogProbs`] and panics without them.
///
/// Reports `reference_kl_loss`, which is L; and `reference_kl` (`mean(exp(-d) - 1 + d)`, the unbiased k3, whichever
/// estimator is used for L).
///
/// Source: J. Schulman, *Approximating KL divergence* (2020). The gradients follow from the score function:
/// `grad k = k'(d) grad log pi`, where k' is 1 for K1, d for K2 and `1 - reference / pi` for K3.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KlToReference {
    /// The estimator of the KL divergence.
    pub estimator: KlEstimator,
}

impl LossTerm for KlToReference {
    fn name(&self) -> &'static str {
        "reference_kl_loss"
    }

    fn compute(&self, context: &LossContext<'_>) -> PerSample {
        let difference = context.log_probs() - context.reference_log_probs();
        let loss = match self.estimator {
            KlEstimator::K1 => difference.clone(),
            KlEstimator::K2 => formula::half_square(&difference),
            KlEstimator::K3 => k3(&difference),
        };
        PerSample::new(loss).with_metric("reference_kl", k3(&difference.inner()))
    }

    fn closed_form(&self, _progress: f64) -> Option<ClosedForm> {
        Some(ClosedForm::KlToReference { estimator: self.estimator })
    }

    fn needs(&self) -> &'static [ContextPart] {
        &[ContextPart::LogProbs, ContextPart::ReferenceLogProbs]
    }
}

/// `exp(-d) - 1 + d`
fn k3(difference: &Tensor<1>) -> Tensor<1> {
    // The actions are drawn from pi, so the ratio is reference / pi.
    let log_ratio = difference.clone().neg();
    ratio::k3(&ratio::exp(&log_ratio), &log_ratio)
}
