//! PPO's surrogate with an adaptive KL penalty.

use std::collections::BTreeMap;

use super::{
    ClosedForm, ContextPart, LossContext, LossTerm, ObjectiveError, PerSample, TermState,
    error::{check, check_names},
    ratio,
};
use crate::kernel::formula;

/// The surrogate objective of proximal policy optimisation with an adaptive KL penalty instead of the clip,
///
/// ```text
/// L = -mean(r A) + beta mean(r - 1 - log r),   r = exp(log pi - log pi_old)
/// ```
///
/// The second mean estimates KL(old || new), the KL divergence of the new policy from the one that acted. Its expected
/// gradient is that of the KL divergence, because the actions come from the old policy, which does not change. The same
/// holds for the simpler `-log r`, since `r - 1` always has mean 0. With `r - 1`, every single sample has its minimum
/// at r = 1: the estimate is never negative, and while the policies agree all samples have gradient 0. Beyond r = e^40
/// (e^350 in double precision) r follows the tangent of the exponential, so that it does not overflow.
///
/// After each update beta is doubled if the KL divergence was more than 1.5 times the target, and halved if it was less
/// than the target divided by 1.5; it stays within 1e-6 and 1e6. The KL divergence of an update is the mean over its
/// minibatches, each measured before its own step. The paper measures it once, after the last step, where it is usually
/// larger, so here the same target allows somewhat more change. The first minibatch always measures 0, so with updates
/// of a single step beta is only halved.
///
/// Reports `policy_loss`, which is L; `approx_kl` (`mean(r - 1 - log r)`); and `kl_weight`, which is beta. Its state is
/// `weight`.
///
/// Source: J. Schulman, F. Wolski, P. Dhariwal, A. Radford, O. Klimov, *Proximal policy optimization algorithms* (2017),
/// section 4; the estimator: J. Schulman, *Approximating KL divergence* (2020).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KlPenalty {
    /// The target KL divergence of an update, in nats; more than 0. Default 0.01.
    pub target: f64,
    /// The weight beta of the penalty, which is adapted after each update; 1e-6 to 1e6. Default 1.
    pub weight: f64,
}

/// The factor by which the KL divergence may differ from the target without a change of the weight.
const TOLERANCE: f64 = 1.5;
/// The factor by which the weight is then multiplied or divided.
const FACTOR: f64 = 2.0;
/// Bounds of the weight. Without the lower one, a run in which the policy does not change would halve the weight to 0,
/// which doubling cannot undo.
const LEAST: f64 = 1e-6;
const MOST: f64 = 1e6;

impl Default for KlPenalty {
    fn default() -> Self {
        Self { target: 0.01, weight: 1.0 }
    }
}

impl LossTerm for KlPenalty {
    fn name(&self) -> &'static str {
        "policy_loss"
    }

    fn compute(&self, context: &LossContext<'_>) -> PerSample {
        let (ratio, log_ratio) = ratio::of(context);
        let kl = ratio::k3(&ratio, &log_ratio);
        let approx_kl = kl.clone().inner();
        let kl_weight = approx_kl.full_like(self.weight);
        PerSample::new(formula::kl_penalty(&ratio, &kl, &context.advantages(), self.weight))
            .with_metric("approx_kl", approx_kl)
            .with_metric("kl_weight", kl_weight)
    }

    fn closed_form(&self, _progress: f64) -> Option<ClosedForm> {
        Some(ClosedForm::KlPenalty { weight: self.weight })
    }

    fn needs(&self) -> &'static [ContextPart] {
        &[ContextPart::LogProbs, ContextPart::OldLogProbs, ContextPart::Advantages]
    }

    fn validate(&self) -> Result<(), ObjectiveError> {
        check(self.name(), "target", self.target, self.target.is_finite() && self.target > 0.0, "more than 0")?;
        check(self.name(), "weight", self.weight, (LEAST..=MOST).contains(&self.weight), "between 1e-6 and 1e6")
    }

    fn after_update(&mut self, measured: &BTreeMap<String, f64>) {
        let Some(&kl) = measured.get("approx_kl") else { return };
        if kl > self.target * TOLERANCE {
            self.weight = (self.weight * FACTOR).min(MOST);
        } else if kl < self.target / TOLERANCE {
            self.weight = (self.weight / FACTOR).max(LEAST);
        }
    }

    fn state(&self) -> TermState {
        TermState::from([("weight".to_owned(), self.weight)])
    }

    fn set_state(&mut self, state: &TermState) -> Result<(), ObjectiveError> {
        check_names(self.name(), ["weight"], state.keys())?;
        let restored = Self { weight: state["weight"], ..*self };
        restored.validate()?;
        *self = restored;
        Ok(())
    }
}
