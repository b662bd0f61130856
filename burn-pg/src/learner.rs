//! One step up the objective.

use crate::{
    distribution::Distribution,
    loss::{LossContext, Metric, Objective, normalize},
    optim::{Adam, clip_global_norm, flatten_gradients, flatten_parameters, replace_parameters},
    policy::ActorCritic,
    rollout::Batch,
};

/// The networks, and what improves them.
pub struct Learner<P> {
    /// The networks, on a device with autodiff.
    pub policy: P,
    /// What is minimised.
    pub objective: Objective,
    /// Turns gradients into steps.
    pub optimiser: Adam,
    /// Bound of the global gradient norm.
    pub max_grad_norm: f64,
    /// Shift and scale the advantages of each minibatch to mean 0 and deviation 1?
    pub normalize_advantages: bool,
}

impl<P: ActorCritic> Learner<P> {
    /// Improves the policy on one minibatch, and returns the metrics of the loss terms and the `grad_norm` before
    /// clipping, all from before the step. Nothing is read back from the device.
    pub fn step(&mut self, minibatch: Batch, learning_rate: f64) -> Vec<Metric> {
        let context = self.look(minibatch);
        let mut output = self.objective.compute(&context);
        let gradient = flatten_gradients(&self.policy, &output.loss.backward());
        let (gradient, norm) = clip_global_norm(gradient, self.max_grad_norm);
        let parameters = flatten_parameters(&self.policy);
        let parameters = self.optimiser.step(learning_rate, parameters, gradient);
        self.policy = replace_parameters(self.policy.clone(), parameters);
        output.metrics.push(("grad_norm", norm));
        output.metrics
    }

    /// What the policy now says of a minibatch, beside what was said when it was collected.
    fn look(&self, minibatch: Batch) -> LossContext {
        let (distribution, values) = self.policy.forward(minibatch.observations);
        LossContext {
            log_probs: distribution.log_prob(&minibatch.actions),
            entropies: distribution.entropy(),
            values,
            old_log_probs: minibatch.log_probs,
            old_values: minibatch.values,
            advantages: match self.normalize_advantages {
                true => normalize(minibatch.advantages),
                false => minibatch.advantages,
            },
            returns: minibatch.returns,
        }
    }
}
