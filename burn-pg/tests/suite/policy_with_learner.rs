//! A policy together with its learner.

use std::ops::{Deref, DerefMut};

use burn::tensor::Tensor;
use burn_pg::{
    Learner,
    envs::EnvRng,
    loss::Metric,
    policy::{ActorCritic, Policy},
    source::Batch,
};

/// A policy together with its learner.
pub struct PolicyWithLearner<P = ActorCritic> {
    pub policy: P,
    pub learner: Learner,
}

impl<P: Policy> PolicyWithLearner<P> {
    pub fn step(&mut self, minibatch: Batch<P::Observation>, learning_rate: f64) -> Vec<Metric> {
        let (policy, metrics) = self.learner.step(&self.policy, minibatch, learning_rate);
        self.policy = policy;
        metrics
    }

    /// The gradient by autodiff, whether or not minibatches are fused.
    pub fn by_autodiff(&self, minibatch: Batch<P::Observation>) -> (Tensor<1>, Vec<Metric>) {
        self.learner.gradient_by_autodiff(&self.policy, minibatch)
    }

    pub fn gradient(&self, minibatch: Batch<P::Observation>) -> (Tensor<1>, Vec<Metric>) {
        self.learner.gradient(&self.policy, minibatch)
    }
}

impl<P> Deref for PolicyWithLearner<P> {
    type Target = Learner;

    fn deref(&self) -> &Learner {
        &self.learner
    }
}

impl<P> DerefMut for PolicyWithLearner<P> {
    fn deref_mut(&mut self) -> &mut Learner {
        &mut self.learner
    }
}

/// Returns a batch with its units in a random order.
pub fn shuffled(batch: &Batch, rng: &mut EnvRng) -> Batch {
    let mut order: Vec<u32> = (0..).take(batch.num_rows() / batch.unit()).collect();
    rng.shuffle(&mut order);
    batch.select(&order)
}
