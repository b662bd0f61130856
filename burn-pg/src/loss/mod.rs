//! Loss terms, and the objective they add up to.

mod entropy;
mod ppo_clip;
mod value;

use burn::tensor::Tensor;

pub use entropy::Entropy;
pub use ppo_clip::PpoClip;
pub use value::Value;

/// What a loss term looks at: a minibatch of M samples, and what the policy now says of them. Every shape is `[M]`.
#[derive(Debug, Clone)]
pub struct LossContext {
    /// Log-probabilities of the actions under the current policy. Carries gradients.
    pub log_probs: Tensor<1>,
    /// Entropies of the current policy. Carries gradients.
    pub entropies: Tensor<1>,
    /// Current values. Carries gradients.
    pub values: Tensor<1>,
    /// Log-probabilities of the actions under the policy that took them.
    pub old_log_probs: Tensor<1>,
    /// Values at the time the actions were taken.
    pub old_values: Tensor<1>,
    /// Advantages, normalised if the algorithm says so.
    pub advantages: Tensor<1>,
    /// Returns to fit the values to.
    pub returns: Tensor<1>,
}

/// A named number to report; without gradient, of shape `[1]`.
pub type Metric = (&'static str, Tensor<1>);

/// What a term contributes.
#[derive(Debug, Clone)]
pub struct TermOutput {
    /// The loss to minimise. Shape `[1]`.
    pub loss: Tensor<1>,
    /// Numbers to report.
    pub metrics: Vec<Metric>,
}

/// One summand of an [`Objective`]. Every term is minimised.
pub trait LossTerm: Send {
    /// Computes the term for one minibatch.
    fn compute(&self, context: &LossContext) -> TermOutput;
}

/// A weighted sum of loss terms.
#[derive(Default)]
pub struct Objective {
    terms: Vec<(f64, Box<dyn LossTerm>)>,
}

impl Objective {
    /// An objective without terms.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `weight` times `term`. A term of weight 0 is reported, but trains nothing.
    #[must_use]
    pub fn with(mut self, weight: f64, term: impl LossTerm + 'static) -> Self {
        self.terms.push((weight, Box::new(term)));
        self
    }

    /// The sum of all terms, and their metrics with the sum itself as `loss`.
    ///
    /// # Panics
    /// If the objective has no terms.
    #[must_use]
    pub fn compute(&self, context: &LossContext) -> TermOutput {
        let mut metrics = Vec::new();
        let loss = self
            .terms
            .iter()
            .map(|(weight, term)| {
                let output = term.compute(context);
                metrics.extend(output.metrics);
                output.loss.mul_scalar(*weight)
            })
            .reduce(Tensor::add)
            .expect("an objective needs at least one term");
        metrics.push(("loss", loss.clone().inner()));
        TermOutput { loss, metrics }
    }
}

/// Advantages shifted to mean 0 and scaled to standard deviation 1 (with Bessel's correction, plus 1e-8). A single
/// advantage has no deviation and stays as it is.
#[must_use]
pub fn normalize(advantages: Tensor<1>) -> Tensor<1> {
    if advantages.dims() == [1] {
        return advantages;
    }
    let (variance, mean) = advantages.clone().var_mean(0);
    (advantages - mean) / variance.sqrt().add_scalar(1e-8)
}
