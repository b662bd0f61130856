//! Loss terms, and the objective they add up to.
//!
//! | term | what minimising it does | source of the samples |
//! | --- | --- | --- |
//! | [`PolicyGradient`] | makes good actions likelier | the current policy |
//! | [`Surrogate`] | the same; needs a [`TrustRegion`](crate::TrustRegion) to keep the policy near | a recent policy |
//! | [`PpoClip`] | the same, as long as the policy stays near the one that acted | a recent policy |
//! | [`KlPenalty`] | the same, with a KL penalty instead of a clip | a recent policy |
//! | [`Value`] | fits the values to the returns | any |
//! | [`Entropy`] | keeps the policy exploring | any |
//! | [`KlToReference`] | keeps the policy near a fixed one | the current policy |
//! | [`CorrectedKl`] | the same | a recent policy |
//! | [`ExactKl`] | the same, without noise from the actions | any |

mod averaging;
mod closed_form;
mod context;
mod corrected_kl;
mod entropy;
mod error;
mod exact_kl;
mod kl_estimator;
mod kl_penalty;
mod kl_to_reference;
mod objective;
mod output;
mod policy_gradient;
mod ppo_clip;
mod ratio;
mod spec;
mod surrogate;
mod value;

use std::collections::BTreeMap;

use burn::tensor::Tensor;

use crate::kernel;

pub use averaging::Averaging;
pub use closed_form::ClosedForm;
pub use context::{ContextPart, LossContext};
pub use corrected_kl::CorrectedKl;
pub use entropy::Entropy;
pub use error::ObjectiveError;
pub use exact_kl::ExactKl;
pub use kl_estimator::KlEstimator;
pub use kl_penalty::KlPenalty;
pub use kl_to_reference::KlToReference;
pub(crate) use objective::ClosedTerm;
pub use objective::{Objective, ObjectiveState};
pub use output::ObjectiveOutput;
pub(crate) use output::{PartialOutput, Reported};
pub use policy_gradient::PolicyGradient;
pub use ppo_clip::PpoClip;
pub use spec::{LossSpec, TermSpec};
pub use surrogate::Surrogate;
pub use value::{Value, ValueClip};

/// A named tensor to report, without gradient: of shape `[M]` in a term, of shape `[1]` in an objective.
pub type Metric = (&'static str, Tensor<1>);

/// The state that a term carries from one update to the next: values by name.
pub type TermState = BTreeMap<String, f64>;

/// The loss of a term for each sample of a minibatch.
///
/// A term does not average: the [`Objective`] weighs the samples, sums them and divides by the mass of the minibatch. A
/// loss of shape `[M, K]`, for example from a difference that was broadcast by accident, does not compile:
///
/// ```compile_fail,E0308
/// # use burn_pg::{burn::tensor::Tensor, loss::PerSample};
/// fn output(differences: Tensor<2>) -> PerSample {
///     PerSample::new(differences.square())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct PerSample {
    /// The loss of each sample. Shape `[M]`.
    pub loss: Tensor<1>,
    /// Values to report; the objective takes their weighted mean. Shape `[M]` each, without gradient.
    pub metrics: Vec<Metric>,
}

impl PerSample {
    /// Creates a loss without metrics.
    #[must_use]
    pub fn new(loss: Tensor<1>) -> Self {
        Self { loss, metrics: Vec::new() }
    }

    /// Adds a metric of shape `[M]`.
    #[must_use]
    pub fn with_metric(mut self, name: &'static str, values: Tensor<1>) -> Self {
        self.metrics.push((name, values));
        self
    }
}

/// One summand of an [`Objective`], which is minimised.
///
/// A custom term needs a name and a formula, and [`needs`](Self::needs) if it reads a part of the context that may be
/// absent:
///
/// ```
/// use burn_pg::loss::{LossContext, LossTerm, Objective, PerSample, PolicyGradient};
///
/// /// Mean square of the log-probabilities: keeps actions from becoming certain, or very unlikely.
/// struct Moderate;
///
/// impl LossTerm for Moderate {
///     fn name(&self) -> &'static str {
///         "moderate_loss"
///     }
///
///     fn compute(&self, context: &LossContext) -> PerSample {
///         PerSample::new(context.log_probs().square())
///     }
/// }
///
/// let objective = Objective::new().with(1.0, PolicyGradient).with(1e-3, Moderate);
/// assert!(objective.terms().eq(["policy_loss", "moderate_loss"]));
/// ```
pub trait LossTerm: Send + Sync {
    /// Returns the name of the term in metrics and errors. A term that replaces the policy gradient is called
    /// `policy_loss`; an objective can have only one term of each name.
    fn name(&self) -> &'static str;

    /// Computes the loss of each sample of a minibatch, and metrics besides the loss itself.
    fn compute(&self, context: &LossContext<'_>) -> PerSample;

    /// Checks the hyperparameters of the term.
    ///
    /// # Errors
    /// [`ObjectiveError::OutOfRange`]
    fn validate(&self) -> Result<(), ObjectiveError> {
        Ok(())
    }

    /// Returns the parts of a [`LossContext`] that the term requires. If a part is missing, training is refused if the
    /// part is listed here, and panics if it is not. Default: none.
    fn needs(&self) -> &'static [ContextPart] {
        &[]
    }

    /// Returns the formula of the term for single samples, with its hyperparameters at `progress` (the share of training
    /// that is over, 0 to 1), if it is one of the [`ClosedForm`]s. It must be the formula of [`compute`](Self::compute),
    /// with the same metrics. Default: none, and the term is differentiated by autodiff.
    fn closed_form(&self, _progress: f64) -> Option<ClosedForm> {
        None
    }

    /// Adapts the term after an update. `measured` holds the metrics of the update by name: means over the minibatches,
    /// each measured before its own step, or those of a trust region after its step.
    fn after_update(&mut self, _measured: &BTreeMap<String, f64>) {}

    /// Returns the state that the term needs to resume a run. Empty for a term that does not adapt.
    fn state(&self) -> TermState {
        TermState::new()
    }

    /// Restores a state.
    ///
    /// # Errors
    /// [`ObjectiveError::State`] or [`ObjectiveError::OutOfRange`] if it is not a state of this term. The term is then
    /// unchanged.
    fn set_state(&mut self, state: &TermState) -> Result<(), ObjectiveError> {
        error::check_names::<&str>(self.name(), [], state.keys())
    }
}

/// Shifts and scales advantages of shape `[M]` to mean 0 and standard deviation 1 (with Bessel's correction, plus
/// 1e-8). A single advantage has no standard deviation and stays as it is.
#[must_use]
pub fn normalize(advantages: Tensor<1>) -> Tensor<1> {
    if advantages.dims() == [1] {
        return advantages;
    }
    kernel::normalize(&advantages).unwrap_or_else(|| {
        let (variance, mean) = advantages.clone().var_mean(0);
        (advantages - mean) / variance.sqrt().add_scalar(1e-8)
    })
}

/// Shifts and scales `advantages` to a weighted mean of 0 and a weighted standard deviation of 1. With weights of 0 and
/// 1 the samples of weight 1 get the same results as from [`normalize`]. All shapes `[M]`.
pub(crate) fn normalize_weighted(advantages: Tensor<1>, weights: &Tensor<1>) -> Tensor<1> {
    let tiny = f64::from(f32::MIN_POSITIVE);
    let total = weights.clone().sum().clamp_min(tiny);
    let centred = advantages.clone() - (advantages.clone() * weights.clone()).sum() / total.clone();
    // Bessel's correction for weights: the n - 1 of n samples that weigh 1.
    let freedom = total.clone() - weights.clone().square().sum() / total.clone();
    let is_single = freedom.clone().lower_equal(total.mul_scalar(1e-6)).expand(centred.dims());
    let variance = (centred.clone().square() * weights.clone()).sum() / freedom.clamp_min(tiny);
    (centred / variance.sqrt().add_scalar(1e-8)).mask_where(is_single, advantages)
}
