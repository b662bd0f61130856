//! Steps that are bounded by the KL divergence from the old policy.

mod fisher;
mod spec;

use std::iter;

use burn::tensor::Tensor;

use crate::{
    Error,
    device::readback::read,
    loss::{Metric, Objective},
    optim::{Solution, conjugate_gradient, flatten_gradients, flatten_parameters, replace_parameters},
    policy::{Policy, Prediction, Rows},
    source::{Batch, Samples},
};

pub use fisher::Fisher;
pub use spec::TrustRegionSpec;

/// The step of trust-region policy optimisation: minimises an objective L as far as a KL divergence of `max_kl` allows,
///
/// ```text
/// minimise  g^T d   where   d^T (F + damping) d / 2 <= max_kl
/// d = -sqrt(2 max_kl / x^T (F + damping) x) x,   (F + damping) x = g
/// ```
///
/// with the gradient g of L and the [`Fisher`] matrix F of the policy, the curvature of KL(old || new). x is the
/// natural gradient: unlike g, it does not depend on how the policy is parametrised. It is computed by
/// [conjugate gradients](conjugate_gradient). The step d uses only first and second derivatives, so a line search
/// follows: the step is shortened until the measured KL divergence is at most `max_kl` and the measured L is lower than
/// before. If `max_backtracks` is reached before that, no step is taken.
///
/// The step changes only parameters that the distribution over actions depends on. A critic that shares none of them is
/// unchanged, and a [`Learner`](crate::Learner) fits it. Fitting a critic that shares some of them would move the
/// policy out of the trust region.
///
/// Source: J. Schulman, S. Levine, P. Moritz, M. Jordan, P. Abbeel, *Trust region policy optimization* (2015), appendix C.
pub struct TrustRegion {
    /// The objective to minimise; its terms must not need values.
    pub objective: Objective,
    /// The hyperparameters of the step.
    pub spec: TrustRegionSpec,
    /// True to shift and scale the advantages of the batch to mean 0 and standard deviation 1.
    pub normalize_advantages: bool,
}

impl TrustRegion {
    /// Takes one step on the whole batch, which is differentiated at once. Returns the new policy, or the old one if no
    /// step is accepted or a value is not finite. The recurrent states at the start of the sequences of the batch are
    /// treated as constants.
    ///
    /// Also returns metrics: those of the loss terms after the step, without their sum; `kl`, the mean of
    /// KL(old || new) in nats; `step_fraction`, the accepted fraction of the full step d, 0 if there was no step; and
    /// `policy_grad_norm`, the norm of g.
    ///
    /// # Errors
    /// [`Error::Execution`] if the device fails.
    ///
    /// # Panics
    /// If the objective has no terms, or a term that needs values.
    pub fn step<P: Policy>(&self, policy: P, batch: Batch<P::Observation>) -> Result<(P, Vec<Metric>), Error> {
        let batch = if self.normalize_advantages { Samples::<P>::with_normalized_advantages(batch) } else { batch };
        let observation = batch.observations.shown_to(&policy);
        let fisher = Fisher::new(policy.clone(), observation.clone(), batch.weights_in_means());
        let loss_of = |distribution| self.objective.compute(&batch.context_of(Prediction::new(distribution)));

        let before = loss_of(policy.distribution(observation.clone()));
        let loss_before = before.loss.clone().inner();
        let gradient = flatten_gradients(&policy, &before.loss.backward());
        let norm = gradient.clone().square().sum().sqrt();
        if let Some(step) = self.natural_step(&fisher, gradient)? {
            let parameters = flatten_parameters(&policy);
            let shorter = |fraction: &f64| Some(fraction * self.spec.backtrack_factor);
            for fraction in iter::successors(Some(1.0), shorter).take(self.spec.max_backtracks + 1) {
                let moved = parameters.clone() + step.clone().mul_scalar(fraction);
                let candidate = replace_parameters(policy.clone(), moved);
                let distribution = candidate.clone().no_grad().distribution(observation.clone());
                let kl = fisher.divergence(&distribution).inner();
                let after = loss_of(distribution);
                let gain = loss_before.clone() - after.loss.inner();
                let [gained, distance] = read([gain, kl.clone()])?;
                if gained[0] > 0.0 && f64::from(distance[0]) <= self.spec.max_kl {
                    return Ok((candidate, report(after.metrics, kl, fraction, norm)));
                }
            }
        }
        let zero = norm.zeros_like();
        Ok((policy, report(before.metrics, zero, 0.0, norm)))
    }

    /// Returns the step d, or `None` if its length is not finite. Shape `[P]`.
    fn natural_step<P: Policy>(&self, fisher: &Fisher<P>, gradient: Tensor<1>) -> Result<Option<Tensor<1>>, Error> {
        let TrustRegionSpec { max_kl, cg_iterations, cg_tolerance, damping, .. } = self.spec;
        let damped = |v: Tensor<1>| fisher.product(v.clone()) + v.mul_scalar(damping);
        let Solution { x, residual } = conjugate_gradient(damped, gradient.clone(), cg_iterations, cg_tolerance)?;
        let curvature = (x.clone() * (gradient - residual)).sum();
        let length = curvature.recip().mul_scalar(2.0 * max_kl).sqrt();
        let [finite] = read([length.clone()])?.map(|length| length[0].is_finite());
        Ok(finite.then(|| (x * length).neg()))
    }
}

/// Returns the metrics of a step. The sum of the terms is left out, because the critic reports its own sum under the
/// same name, `loss`.
fn report(terms: Vec<Metric>, kl: Tensor<1>, fraction: f64, norm: Tensor<1>) -> Vec<Metric> {
    let mut metrics: Vec<Metric> = terms.into_iter().filter(|&(name, _)| name != "loss").collect();
    metrics.push(("kl", kl));
    metrics.push(("step_fraction", norm.full_like(fraction)));
    metrics.push(("policy_grad_norm", norm));
    metrics
}
