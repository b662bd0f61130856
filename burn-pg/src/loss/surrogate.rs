//! The surrogate by itself.

use super::{LossContext, LossTerm, PerSample, ratio};

/// The surrogate objective of trust-region policy optimisation,
///
/// ```text
/// L = -mean(r A),   r = exp(log pi - log pi_old)
/// ```
///
/// where the policies agree, its gradient is the policy gradient; elsewhere the ratio r corrects for actions that another
/// policy took, but not for the states in which it took them. Nothing here keeps the policies near each other: this is for a
/// [`TrustRegion`](crate::TrustRegion), which does. Beyond r = e^40 (e^350 in double precision) ratios grow along their tangent,
/// so that none overflows.
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
        PerSample::new((ratio.clone() * context.advantages()).neg())
            .with_metric("approx_kl", ratio::k3(&ratio.inner(), &log_ratio.inner()))
    }
}
