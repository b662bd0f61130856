//! One step up the objective.

use burn::tensor::Tensor;

use crate::{
    loss::{Metric, Objective},
    optim::{
        BatchMean, Optimiser, OptimiserState, OptimiserStateError, clip_global_norm, flatten_gradients,
        flatten_parameters, replace_parameters,
    },
    policy::{Observation, Policy},
    profile::{Phase, during},
    source::Batch,
    update::minibatch::{context, normalize_advantages},
};

/// The networks, and what improves them.
pub struct Learner<P> {
    /// The networks, on a device with autodiff.
    pub policy: P,
    /// What is minimised.
    pub objective: Objective,
    /// Turns gradients into steps.
    pub optimiser: Box<dyn Optimiser>,
    /// Bound of the global gradient norm.
    pub max_grad_norm: f64,
    /// Shift and scale the advantages of each minibatch to mean 0 and deviation 1?
    pub normalize_advantages: bool,
    /// Most samples to differentiate at once, at least 1; a larger minibatch is cut up, and the gradients of its parts
    /// add up to its own. Takes less memory and changes nothing but rounding, if each term of the objective and each of
    /// its metrics is a mean over samples. `None` takes every minibatch whole.
    pub micro_batch_size: Option<usize>,
}

impl<P: Policy<Observation = Observation>> Learner<P> {
    /// Improves the policy on one minibatch, and returns the metrics of the loss terms and the `grad_norm` before
    /// clipping, all from before the step. Nothing is read back from the device.
    ///
    /// # Panics
    /// If `micro_batch_size` is 0.
    pub fn step(&mut self, minibatch: Batch, learning_rate: f64) -> Vec<Metric> {
        let (gradient, mut metrics) = self.gradient(minibatch);
        during(Phase::Optimiser, || {
            let (gradient, norm) = clip_global_norm(gradient, self.max_grad_norm);
            let parameters = flatten_parameters(&self.policy);
            let parameters = self.optimiser.step(learning_rate, parameters, gradient);
            self.policy = replace_parameters(self.policy.clone(), parameters);
            metrics.push(("grad_norm", norm));
        });
        metrics
    }

    /// The gradient of the objective for one minibatch, before clipping (shape `[P]`), and the metrics of the loss terms.
    ///
    /// # Panics
    /// If `micro_batch_size` is 0.
    #[must_use]
    pub fn gradient(&self, mut minibatch: Batch) -> (Tensor<1>, Vec<Metric>) {
        // A statistic of the whole minibatch, so it comes before any cut.
        if self.normalize_advantages {
            minibatch = during(Phase::Advantage, || normalize_advantages(minibatch));
        }
        match self.micro_batch_size {
            Some(size) if size < minibatch.num_rows() => self.accumulate(&minibatch, size),
            _ => self.differentiate(minibatch),
        }
    }

    /// The networks and the optimiser as they are now. (Tensors are shared, not copied.)
    pub(crate) fn snapshot(&self) -> (P, OptimiserState) {
        (self.policy.clone(), self.optimiser.state())
    }

    /// Goes back to a [`snapshot`](Self::snapshot).
    pub(crate) fn restore(&mut self, (policy, optimiser): (P, OptimiserState)) -> Result<(), OptimiserStateError> {
        self.optimiser.set_state(optimiser)?;
        self.policy = policy;
        Ok(())
    }

    /// Lets the optimiser go on from a state.
    ///
    /// # Errors
    /// [`OptimiserStateError`] if it is that of another optimiser or of other networks. Nothing has changed then.
    pub fn set_optimiser_state(&mut self, state: OptimiserState) -> Result<(), OptimiserStateError> {
        let [parameters] = flatten_parameters(&self.policy).dims();
        state.check_length(parameters)?;
        self.optimiser.set_state(state)
    }

    /// [`differentiate`](Self::differentiate) in parts of `size` samples, with memory for one of them.
    fn accumulate(&self, minibatch: &Batch, size: usize) -> (Tensor<1>, Vec<Metric>) {
        let mut gradient = BatchMean::new(minibatch.len());
        let mut metrics: Vec<(&'static str, BatchMean)> = Vec::new();
        for part in minibatch.minibatches(size) {
            let samples = part.len();
            let (part_gradient, part_metrics) = self.differentiate(part);
            gradient.add(part_gradient, samples);
            if metrics.is_empty() {
                metrics = part_metrics.iter().map(|&(name, _)| (name, BatchMean::new(minibatch.len()))).collect();
            }
            for ((_, mean), (_, value)) in metrics.iter_mut().zip(part_metrics) {
                mean.add(value, samples);
            }
        }
        (gradient.finish(), metrics.into_iter().map(|(name, mean)| (name, mean.finish())).collect())
    }

    fn differentiate(&self, samples: Batch) -> (Tensor<1>, Vec<Metric>) {
        let output = during(Phase::Forward, || {
            let prediction = self.policy.forward(samples.shown_to(&self.policy));
            self.objective.compute(&context(prediction, samples))
        });
        let gradient = during(Phase::Backward, || flatten_gradients(&self.policy, &output.loss.backward()));
        (gradient, output.metrics)
    }
}
