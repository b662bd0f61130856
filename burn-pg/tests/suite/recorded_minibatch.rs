//! Recorded minibatches, and the gradients that recorded losses have on them.

use burn::tensor::{Gradients, Tensor};
use burn_pg::{
    distribution::Distribution,
    loss::LossContext,
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
    /// What `policy` says of it, with the advantages as they were recorded.
    pub fn look(&self, policy: &ActorCritic, precision: &Precision) -> LossContext {
        let Prediction { distribution, values, .. } = policy.forward(precision.matrix(&self.obs).into());
        LossContext {
            log_probs: distribution.log_prob(&self.actions.tensor(precision)),
            entropies: distribution.entropy(),
            values,
            old_log_probs: precision.vector(&self.old_log_probs),
            old_values: Some(precision.vector(&self.old_values)),
            advantages: precision.vector(&self.advantages),
            returns: precision.vector(&self.returns),
            reference_log_probs: None,
            progress: 0.0,
        }
    }
}

/// Asserts that a loss has the recorded gradient with respect to every weight of `policy`, and returns it.
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
