//! What a loss term looks at.

use std::fmt;

use burn::tensor::{Int, Tensor};

/// A minibatch of M samples, and what the policy now says of them. Every shape is `[M]`:
///
/// ```
/// # use burn_pg::{burn::tensor::Tensor, loss::LossContext};
/// fn with_values(context: LossContext, values: Tensor<1>) -> LossContext {
///     LossContext { values: Some(values), ..context }
/// }
/// ```
///
/// A column `[M, 1]`, as a network puts out, would turn `values - returns` into a square of `[M, M]` differences. It
/// does not compile:
///
/// ```compile_fail,E0308
/// # use burn_pg::{burn::tensor::Tensor, loss::LossContext};
/// fn with_values(context: LossContext, values: Tensor<2>) -> LossContext {
///     LossContext { values: Some(values), ..context }
/// }
/// ```
///
/// Nor do columns of the others:
///
/// ```compile_fail,E0308
/// # use burn_pg::{burn::tensor::Tensor, loss::LossContext};
/// fn with_advantages(context: LossContext, advantages: Tensor<2>) -> LossContext {
///     LossContext { advantages, ..context }
/// }
/// ```
///
/// ```compile_fail,E0308
/// # use burn_pg::{burn::tensor::Tensor, loss::LossContext};
/// fn with_log_probs(context: LossContext, log_probs: Tensor<2>) -> LossContext {
///     LossContext { log_probs, ..context }
/// }
/// ```
#[derive(Debug, Clone)]
pub struct LossContext {
    /// Log-probabilities of the actions under the current policy. Carries gradients.
    pub log_probs: Tensor<1>,
    /// Entropies of the current policy. Carries gradients.
    pub entropies: Tensor<1>,
    /// Current values, if there is a critic. Carries gradients.
    pub values: Option<Tensor<1>>,
    /// Log-probabilities of the actions under the policy that took them.
    pub old_log_probs: Tensor<1>,
    /// Values at the time the actions were taken, if there is a critic.
    pub old_values: Option<Tensor<1>>,
    /// Advantages, normalised if the algorithm says so.
    pub advantages: Tensor<1>,
    /// Returns to fit the values to.
    pub returns: Tensor<1>,
    /// Log-probabilities of the actions under a reference policy that is not trained; `None` if there is no reference.
    pub reference_log_probs: Option<Tensor<1>>,
    /// How much of training was over when the samples were collected, 0 to 1: where [schedules](crate::optim::Schedule)
    /// are.
    pub progress: f64,
}

impl LossContext {
    /// The samples that `rows` name, in that order.
    #[must_use]
    pub fn select(self, rows: &Tensor<1, Int>) -> Self {
        let select = |column: Tensor<1>| column.select(0, rows.clone());
        Self {
            log_probs: select(self.log_probs),
            entropies: select(self.entropies),
            values: self.values.map(select),
            old_log_probs: select(self.old_log_probs),
            old_values: self.old_values.map(select),
            advantages: select(self.advantages),
            returns: select(self.returns),
            reference_log_probs: self.reference_log_probs.map(select),
            progress: self.progress,
        }
    }
}

/// A part of a [`LossContext`] that may be absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContextPart {
    /// [`LossContext::values`] and [`LossContext::old_values`]
    Values,
    /// [`LossContext::reference_log_probs`]
    ReferenceLogProbs,
}

impl fmt::Display for ContextPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Values => "the values of a critic",
            Self::ReferenceLogProbs => "log-probabilities under a reference policy",
        })
    }
}
