//! PPO's clipped surrogate.

use burn::tensor::Tensor;

use super::{LossContext, LossTerm, ObjectiveError, TermOutput, error::check_range, ratio};
use crate::{
    kernel::{ClippedSurrogate, clipped_surrogate},
    optim::Schedule,
};

/// The clipped surrogate objective of proximal policy optimisation,
///
/// ```text
/// L = -mean(min(r A, clip(r, 1 - epsilon, 1 + epsilon) A)),   r = exp(log pi - log pi_old)
/// ```
///
/// Where the clip takes hold the gradient is exactly 0: the branch is chosen before the exponential is taken, so a ratio
/// that overflows there cannot turn it into NaN. Where it does not, and r is beyond e^40 (e^350 in double precision), r
/// grows along its tangent and stays finite.
///
/// Reports `policy_loss`, which is L; `approx_kl` (`mean(r - 1 - log r)`, J. Schulman's k3 estimator of KL(old || new),
/// the divergence of the new policy from the one that acted); and `clip_fraction` (the share of samples with
/// `|r - 1| > epsilon`).
///
/// Source: J. Schulman, F. Wolski, P. Dhariwal, A. Radford, O. Klimov, *Proximal policy optimization algorithms* (2017).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PpoClip {
    /// Half-width epsilon of the interval in which the ratio is trusted; positive, and at the end of a schedule 0 or
    /// more. (At 0 no ratio may go farther from 1, while any may come back.)
    pub clip_range: Schedule,
}

impl LossTerm for PpoClip {
    fn name(&self) -> &'static str {
        "policy_loss"
    }

    fn compute(&self, context: &LossContext) -> TermOutput {
        let clip_range = self.clip_range.at(context.progress);
        let (low, high) = (1.0 - clip_range, 1.0 + clip_range);
        let limit = ratio::tangent_point(context.log_probs.dtype());
        let LossContext { log_probs, old_log_probs, advantages, .. } = context;
        let ClippedSurrogate { loss, approx_kl, clip_fraction } =
            clipped_surrogate(log_probs, old_log_probs, advantages, [low, high], limit)
                .unwrap_or_else(|| of_ordinary_ops(context, [low, high]));
        TermOutput { loss, metrics: vec![("approx_kl", approx_kl), ("clip_fraction", clip_fraction)] }
    }

    fn validate(&self) -> Result<(), ObjectiveError> {
        check_range(self.name(), "clip_range", self.clip_range)
    }
}

fn of_ordinary_ops(context: &LossContext, [low, high]: [f64; 2]) -> ClippedSurrogate {
    let advantages = context.advantages.clone();
    let log_ratio = context.log_probs.clone() - context.old_log_probs.clone();

    // Without gradient: which samples are clipped.
    let plain_log_ratio = log_ratio.clone().inner();
    let plain_ratio = ratio::exp(plain_log_ratio.clone());
    let plain_advantages = advantages.clone().inner();
    let above = plain_ratio.clone().greater_elem(high);
    let below = plain_ratio.clone().lower_elem(low);
    let clipped_above = above.clone().bool_and(plain_advantages.clone().greater_equal_elem(0.0));
    let clipped_below = below.clone().bool_and(plain_advantages.lower_equal_elem(0.0));
    let clipped = clipped_above.clone().bool_or(clipped_below.clone());

    let ratio = ratio::exp(log_ratio.mask_fill(Tensor::from_inner(clipped), 0.0));
    let ratio =
        ratio.mask_fill(Tensor::from_inner(clipped_above), high).mask_fill(Tensor::from_inner(clipped_below), low);
    let loss = (ratio * advantages).mean().neg();

    let approx_kl = ratio::k3(plain_ratio, plain_log_ratio);
    let clip_fraction = above.bool_or(below).float().mean();
    ClippedSurrogate { loss, approx_kl, clip_fraction }
}
