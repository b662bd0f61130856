//! PPO's other surrogate, with a penalty that adapts.

use std::collections::BTreeMap;

use super::{
    LossContext, LossTerm, ObjectiveError, PerSample, TermState,
    error::{check_names, check_positive},
    ratio,
};

/// The surrogate objective of proximal policy optimisation with an adaptive penalty in place of the clip,
///
/// ```text
/// L = -mean(r A) + beta mean(r - 1 - log r),   r = exp(log pi - log pi_old)
/// ```
///
/// The second mean estimates KL(old || new), the divergence of the new policy from the one that acted. Its gradient is
/// right too: the actions come from the old policy, which is what that divergence averages over and which does not move,
/// so the expected gradient of the samples is the gradient of the divergence. The same goes for the simpler `-log r`,
/// since `r - 1` has mean 0 whatever the new policy is. What `r - 1` adds is that every single sample is least at r = 1:
/// the estimate is never negative, and while the policies agree no sample pushes at all. Beyond r = e^40 (e^350 in double
/// precision) ratios grow along their tangent, so that none overflows.
///
/// After each update beta is doubled if the divergence was more than 1.5 times the target, and halved if it was less than
/// the target divided by 1.5; it stays within 1e-6 and 1e6. The divergence of an update is the mean over its minibatches,
/// each measured before its own step. It lags behind that of the paper, which is measured once after the last step, so
/// the same target allows somewhat more here; and since the first minibatch always measures 0, an update of a single step
/// only ever halves beta.
///
/// Reports `policy_loss`, which is L; `approx_kl` (`mean(r - 1 - log r)`); and `kl_weight`, which is beta. Remembers
/// `weight`.
///
/// Source: J. Schulman, F. Wolski, P. Dhariwal, A. Radford, O. Klimov, *Proximal policy optimization algorithms* (2017),
/// section 4; the estimator: J. Schulman, *Approximating KL divergence* (2020).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KlPenalty {
    /// The divergence that an update should lead to, in nats; positive. Default 0.01.
    pub target: f64,
    /// The weight beta of the penalty: what it starts with, then what it has become; 1e-6 to 1e6. Default 1.
    pub weight: f64,
}

/// How far the divergence may be off the target, as a factor.
const TOLERANCE: f64 = 1.5;
/// What the weight is then multiplied with, or divided by.
const FACTOR: f64 = 2.0;
/// Bounds of the weight: a run in which nothing moves would halve it down to 0, from where no doubling leads back.
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
        let surrogate = ratio.clone() * context.advantages();
        let kl = ratio::k3(&ratio, &log_ratio);
        let approx_kl = kl.clone().inner();
        let kl_weight = approx_kl.full_like(self.weight);
        PerSample::new(kl.mul_scalar(self.weight) - surrogate)
            .with_metric("approx_kl", approx_kl)
            .with_metric("kl_weight", kl_weight)
    }

    fn validate(&self) -> Result<(), ObjectiveError> {
        check_positive(self.name(), "target", self.target)?;
        self.check_weight(self.weight)
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
        let weight = state["weight"];
        self.check_weight(weight)?;
        self.weight = weight;
        Ok(())
    }
}

impl KlPenalty {
    fn check_weight(&self, value: f64) -> Result<(), ObjectiveError> {
        if (LEAST..=MOST).contains(&value) {
            return Ok(());
        }
        let (term, value) = (self.name(), value.into());
        Err(ObjectiveError::OutOfRange { term, name: "weight", value, range: "between 1e-6 and 1e6" })
    }
}
