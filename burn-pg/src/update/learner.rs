//! One step down the objective.

use burn::tensor::Tensor;

use crate::{
    loss::{Metric, Objective, PartialOutput, Reported},
    optim::{Optimiser, clip_global_norm, flatten_gradients, flatten_parameters, replace_parameters},
    policy::Policy,
    profile::{Phase, during},
    source::Samples,
};

/// What turns a minibatch into a step.
pub struct Learner {
    /// What is minimised.
    pub objective: Objective,
    /// Turns gradients into steps.
    pub optimiser: Box<dyn Optimiser>,
    /// Bound of the global gradient norm.
    pub max_grad_norm: f64,
    /// Shift and scale the advantages of each minibatch to mean 0 and standard deviation 1?
    pub normalize_advantages: bool,
    /// Most rows to differentiate at once, at least 1; a larger minibatch is cut up, and the gradients of its parts
    /// add up to its own. Takes less memory, and changes nothing but rounding. `None` takes every minibatch whole.
    pub micro_batch_size: Option<usize>,
}

impl Learner {
    /// A learner that clips no gradient, takes advantages as they are, and every minibatch whole.
    #[must_use]
    pub fn new(objective: Objective, optimiser: Box<dyn Optimiser>) -> Self {
        Self { objective, optimiser, max_grad_norm: f64::INFINITY, normalize_advantages: false, micro_batch_size: None }
    }

    /// The policy after one minibatch, and the metrics of the loss terms and the `grad_norm` before clipping, all from
    /// before the step. Nothing is read back from the device.
    ///
    /// # Panics
    /// If `micro_batch_size` is 0.
    #[must_use]
    pub fn step<P: Policy, S: Samples<P>>(&mut self, policy: &P, minibatch: S, learning_rate: f64) -> (P, Vec<Metric>) {
        let (gradient, mut metrics) = self.gradient(policy, minibatch);
        let policy = during(Phase::Optimiser, || {
            let (gradient, norm) = clip_global_norm(gradient, self.max_grad_norm);
            metrics.push(("grad_norm", norm));
            let parameters = self.optimiser.step(learning_rate, flatten_parameters(policy), gradient);
            replace_parameters(policy.clone(), parameters)
        });
        (policy, metrics)
    }

    /// The gradient of the objective for one minibatch, before clipping (shape `[P]`), and the metrics of the loss terms.
    ///
    /// # Panics
    /// If `micro_batch_size` is 0.
    #[must_use]
    pub fn gradient<P: Policy, S: Samples<P>>(&self, policy: &P, mut minibatch: S) -> (Tensor<1>, Vec<Metric>) {
        // A statistic of the whole minibatch, so it comes before any cut.
        if self.normalize_advantages {
            minibatch = during(Phase::Advantage, || minibatch.with_normalized_advantages());
        }
        let mass = minibatch.mass();
        let (gradient, reported) = match self.micro_batch_size {
            Some(size) if size < minibatch.num_rows() => minibatch
                .minibatches(size)
                .map(|part| self.differentiate(policy, &part, mass))
                .reduce(|(sum, reported), (gradient, more)| (sum + gradient, reported.and(more)))
                .expect("a minibatch has rows"),
            _ => self.differentiate(policy, &minibatch, mass),
        };
        (gradient, reported.into_metrics())
    }

    /// The share of a part in the gradient and the metrics of a minibatch of this mass.
    fn differentiate<P: Policy, S: Samples<P>>(&self, policy: &P, part: &S, mass: f64) -> (Tensor<1>, Reported) {
        let context = || part.context(policy).with_mass(mass);
        let PartialOutput { loss, reported } = during(Phase::Forward, || self.objective.compute_part(&context()));
        let gradient = during(Phase::Backward, || flatten_gradients(policy, &loss.backward()));
        (gradient, reported)
    }
}
