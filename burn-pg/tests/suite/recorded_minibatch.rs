//! Recorded minibatches with the gradients of recorded losses.

use burn::tensor::{Gradients, Tensor};
use burn_pg::{
    distribution::Distribution,
    loss::{ContextPart, LossContext},
    policy::{ActorCritic, Policy, Prediction},
};
use serde::Deserialize;

use crate::{
    network::{RecordedActions, Weights, recorded},
    precision::{Precision, assert_close},
};

/// A recorded network.
#[derive(Deserialize)]
pub struct Network {
    pub weights: Weights,
}

/// A recorded minibatch.
#[derive(Deserialize)]
pub struct RecordedMinibatch {
    obs: Vec<Vec<f64>>,
    actions: RecordedActions,
    old_log_probs: Vec<f64>,
    advantages: Vec<f64>,
    returns: Vec<f64>,
    old_values: Vec<f64>,
}

impl RecordedMinibatch {
    /// Returns the loss context of `policy` for the minibatch, with the recorded advantages.
    pub fn context(&self, policy: &ActorCritic, precision: &Precision) -> LossContext<'static> {
        let Prediction { distribution, values, .. } = policy.forward(precision.matrix(&self.obs).into());
        let log_probs = distribution.log_prob(&self.actions.tensor(precision));
        let context = LossContext::new(self.obs.len() as f64, 0.0)
            .with_tensor(ContextPart::LogProbs, log_probs)
            .with_tensor(ContextPart::Entropies, distribution.entropy())
            .with_tensor(ContextPart::OldLogProbs, precision.vector(&self.old_log_probs))
            .with_tensor(ContextPart::OldValues, precision.vector(&self.old_values))
            .with_tensor(ContextPart::Advantages, precision.vector(&self.advantages))
            .with_tensor(ContextPart::Returns, precision.vector(&self.returns));
        match values {
            None => context,
            Some(values) => context.with_tensor(ContextPart::Values, values),
        }
    }
}

#[track_caller]
pub fn assert_gradients(
    policy: &ActorCritic,
    loss: &Tensor<1>,
    expected: &Weights,
    tolerance: f64,
    what: &str,
) -> Gradients {
    let found = loss.clone().backward();
    let gradients = recorded(policy, Some(&found));
    assert_eq!(gradients.len(), expected.len(), "{what}");
    for (name, gradient) in gradients {
        let expected = expected[&name].transposed().flat();
        assert_close(&gradient, &expected, tolerance, &format!("{what} gradient of {name}"));
    }
    found
}
