//! The KL divergence from a reference, from samples of an older policy.

use super::{ContextPart, LossContext, LossTerm, PerSample, ratio};

/// The KL divergence KL(pi || reference) of the policy from a reference policy that is not trained, from one action of an older
/// policy for each state:
///
/// ```text
/// L = mean(r k3),   r = pi(a|s) / old(a|s),   k3 = exp(-d) - 1 + d,   d = log pi(a|s) - log reference(a|s)
/// ```
///
/// Its mean is the KL divergence in the states of the samples, and its mean gradient is the gradient of that, whichever policy took
/// the actions: in the sum of both derivatives of `r k3`, the parts that make the gradient of k3 alone that of another divergence
/// cancel. While the policy is still the one that acted, it has the same gradient as [`K2`](super::KlEstimator::K2) of
/// [`KlToReference`](super::KlToReference).
///
/// Reports `reference_kl_loss`, which is L, and `reference_kl` (`mean(k3)`).
///
/// Sources: L. Tang, R. Munos, *On a few pitfalls in KL divergence gradient estimation for RL* (2025); *DeepSeek-V3.2* (2025).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CorrectedKl;

impl LossTerm for CorrectedKl {
    fn name(&self) -> &'static str {
        "reference_kl_loss"
    }

    fn compute(&self, context: &LossContext<'_>) -> PerSample {
        let log_probs = context.log_probs();
        // The actions are drawn from pi, so the ratio in k3 is reference / pi.
        let log_ratio = context.reference_log_probs() - log_probs.clone();
        let k3 = ratio::k3(&ratio::exp(&log_ratio), &log_ratio);
        let weight = ratio::exp(&(log_probs - context.old_log_probs()));
        PerSample::new(weight * k3.clone()).with_metric("reference_kl", k3.inner())
    }

    fn needs(&self) -> &'static [ContextPart] {
        &[ContextPart::LogProbs, ContextPart::OldLogProbs, ContextPart::ReferenceLogProbs]
    }
}
