//! PPO's clipped surrogate.

use super::{
    ClosedForm, ContextPart, LossContext, LossTerm, ObjectiveError, PerSample,
    error::{check, check_range},
};
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
/// With `upper`, the interval is `[1 - epsilon, 1 + upper]`, which lets unlikely actions become likelier ("clip higher"). With
/// `dual`, a ratio of more than that counts as `dual` where the advantage is negative, so that an action that was very unlikely
/// cannot dominate the gradient.
///
/// Where the ratio is clipped, the gradient is exactly 0. Beyond r = e^40 (e^350 in double precision) r follows the
/// tangent of the exponential, so it stays finite. The branch is chosen before the exponential is taken, so an overflow
/// cannot turn a gradient into NaN.
///
/// Reports `policy_loss`, which is L; `approx_kl` (`mean(r - 1 - log r)`, J. Schulman's k3 estimator of KL(old || new),
/// the KL divergence of the new policy from the one that acted); and `clip_fraction` (the share of samples whose ratio is outside
/// the interval).
///
/// Sources: J. Schulman, F. Wolski, P. Dhariwal, A. Radford, O. Klimov, *Proximal policy optimization algorithms* (2017);
/// `upper`: Q. Yu et al., *DAPO* (2025); `dual`: D. Ye et al., *Mastering complex control in MOBA games with deep reinforcement
/// learning* (2020).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PpoClip {
    /// Half-width epsilon of the interval around 1 in which the ratio is trusted: more than 0; at the end of a
    /// schedule, 0 or more. (At 0 a ratio may not move further away from 1, but may come back.)
    pub clip_range: Schedule,
    /// How far the interval goes above 1, if not as far as below: more than 0; at the end of a schedule, 0 or more.
    pub upper: Option<Schedule>,
    /// The highest ratio where the advantage is negative, more than 1; `None` for no limit.
    pub dual: Option<f64>,
}

impl PpoClip {
    /// Creates the term with an interval that goes as far above 1 as below, and no limit where advantages are negative.
    #[must_use]
    pub fn new(clip_range: impl Into<Schedule>) -> Self {
        Self { clip_range: clip_range.into(), upper: None, dual: None }
    }

    /// Returns the lowest and the highest ratio that are trusted, and the highest where the advantage is negative.
    fn bounds(&self, progress: f64) -> [f64; 3] {
        let range = self.clip_range.at(progress);
        let upper = self.upper.map_or(range, |upper| upper.at(progress));
        [1.0 - range, 1.0 + upper, self.dual.unwrap_or(f64::INFINITY)]
    }
}

impl LossTerm for PpoClip {
    fn name(&self) -> &'static str {
        "policy_loss"
    }

    fn compute(&self, context: &LossContext<'_>) -> PerSample {
        let samples = [&context.log_probs(), &context.old_log_probs(), &context.advantages()];
        let ClippedSurrogate { loss, approx_kl, clipped } = clipped_surrogate(samples, self.bounds(context.progress()));
        PerSample::new(loss).with_metric("approx_kl", approx_kl).with_metric("clip_fraction", clipped)
    }

    fn closed_form(&self, progress: f64) -> Option<ClosedForm> {
        Some(ClosedForm::PpoClip { bounds: self.bounds(progress) })
    }

    fn needs(&self) -> &'static [ContextPart] {
        &[ContextPart::LogProbs, ContextPart::OldLogProbs, ContextPart::Advantages]
    }

    fn validate(&self) -> Result<(), ObjectiveError> {
        check_range(self.name(), "clip_range", self.clip_range)?;
        if let Some(upper) = self.upper {
            check_range(self.name(), "upper", upper)?;
        }
        let dual = self.dual.unwrap_or(f64::MAX);
        check(self.name(), "dual", dual, dual > 1.0 && dual.is_finite(), "more than 1")
    }
}
