//! The plain policy gradient.

use super::{ClosedForm, ContextPart, LossContext, LossTerm, PerSample};
use crate::kernel::formula;

/// The loss whose gradient is the policy gradient, up to sign,
///
/// ```text
/// L = -mean(log pi(a|s) A)
/// ```
///
/// With returns as the advantages A this is REINFORCE, or vanilla policy gradient. With returns minus values, or with
/// bootstrapped returns, it is advantage actor-critic. Only the estimator differs.
///
/// The value of L has no meaning. Its gradient is the policy gradient only if the current policy took the actions, so
/// take one step per rollout.
///
/// Reports `policy_loss`, which is L.
///
/// Source: R. Williams, *Simple statistical gradient-following algorithms for connectionist reinforcement learning*
/// (1992); R. Sutton, D. McAllester, S. Singh, Y. Mansour, *Policy gradient methods for reinforcement learning with
/// function approximation* (2000); the synchronous form of V. Mnih et al., *Asynchronous methods for deep reinforcement
/// learning* (2016).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PolicyGradient;

impl LossTerm for PolicyGradient {
    fn name(&self) -> &'static str {
        "policy_loss"
    }

    fn compute(&self, context: &LossContext<'_>) -> PerSample {
        PerSample::new(formula::policy_gradient(&context.log_probs(), &context.advantages()))
    }

    fn closed_form(&self, _progress: f64) -> Option<ClosedForm> {
        Some(ClosedForm::PolicyGradient)
    }

    fn needs(&self) -> &'static [ContextPart] {
        &[ContextPart::LogProbs, ContextPart::Advantages]
    }
}
