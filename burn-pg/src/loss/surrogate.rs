//! The surrogate without a clip or a penalty.

use super::{ClosedForm, ContextPart, LossContext, LossTerm, PerSample, ratio};
use crate::kernel::formula;

/// The surrogate objective of trust-region policy optimisation,
///
/// ```text
/// L = -mean(r A),   r = exp(log pi - log pi_old)
/// ```
///
/// Where the policies agree, its gradient is the policy gradient. Elsewhere the ratio r corrects for actions that
/// another policy took, but not for the states that it visited. The term does not keep the policies near each other; a
/// [`TrustRegion`](crate::TrustRegion) does. Beyond r = e^40 (e^350 in double precision) r follows the tangent of the
/// exponential, so that it does not overflow.
///
/// Reports `policy_loss`, which is L, and `approx_kl` (`mean(r - 1 - log r)`, J. Schulman's k3 estimator of KL(old || new)).
///
/// Source: J. Schulman, S. Levine, P. Moritz, M. Jordan, P. Abbeel, *Trust region policy optimization* (2015), equation 14.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Surrogate;

impl LossTerm for Surrogate {
    fn name(&self) -> &'static str {
        "policy_loss"
    }

    fn compute(&self, context: &LossContext<'_>) -> PerSample {
        let (ratio, log_ratio) = ratio::of(context);
        PerSample::new(formula::surrogate(&ratio, &context.advantages()))
            .with_metric("approx_kl", ratio::k3(&ratio.inner(), &log_ratio.inner()))
    }

    fn closed_form(&self, _progress: f64) -> Option<ClosedForm> {
        Some(ClosedForm::Surrogate)
    }

    fn needs(&self) -> &'static [ContextPart] {
        &[ContextPart::LogProbs, ContextPart::OldLogProbs, ContextPart::Advantages]
    }
}
