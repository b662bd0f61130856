//! The KL divergence from a reference, exactly.

use super::{ContextPart, LossContext, LossTerm, PerSample};

/// The KL divergence KL(pi || reference) of the policy from a reference policy that is not trained, summed over all actions in the
/// state of each sample: no noise from the action that was drawn.
///
/// Needs [`ContextPart::ReferenceKls`], which a source has if it can compare both distributions, such as that of a language model.
///
/// Reports `reference_kl_loss` and `reference_kl`, which are both the mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExactKl;

impl LossTerm for ExactKl {
    fn name(&self) -> &'static str {
        "reference_kl_loss"
    }

    fn compute(&self, context: &LossContext<'_>) -> PerSample {
        let divergences = context.reference_kls();
        PerSample::new(divergences.clone()).with_metric("reference_kl", divergences.inner())
    }

    fn needs(&self) -> &'static [ContextPart] {
        &[ContextPart::ReferenceKls]
    }
}
