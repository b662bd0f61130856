//! The output of a policy.

use burn::tensor::Tensor;

/// The output of a policy for B observations.
///
/// Values are a vector. A matrix of shape `[B, 1]`, the output of a linear layer, would broadcast to `[B, B]` in every
/// difference to the returns, so it does not compile:
///
/// ```compile_fail,E0308
/// # use burn_pg::{burn::tensor::Tensor, distribution::Categorical, policy::Prediction};
/// fn predict(logits: Tensor<2>, column: Tensor<2>) -> Prediction<Categorical> {
///     Prediction::new(Categorical::new(logits)).with_values(column)
/// }
/// ```
///
/// ```
/// # use burn_pg::{burn::tensor::Tensor, distribution::Categorical, policy::Prediction};
/// fn predict(logits: Tensor<2>, column: Tensor<2>) -> Prediction<Categorical> {
///     Prediction::new(Categorical::new(logits)).with_values(column.squeeze_dim(1))
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Prediction<D> {
    /// The distribution over actions, of B rows.
    pub distribution: D,
    /// Value estimates of the observations, if there is a critic. Shape `[B]`.
    pub values: Option<Tensor<1>>,
    /// The recurrent state after the last step of each of S sequences, if the policy is recurrent. Shape `[S, M]`.
    pub state: Option<Tensor<2>>,
}

impl<D> Prediction<D> {
    /// Creates a prediction without values and recurrent state.
    #[must_use]
    pub fn new(distribution: D) -> Self {
        Self { distribution, values: None, state: None }
    }

    /// Sets the values of a critic, of shape `[B]`.
    #[must_use]
    pub fn with_values(self, values: Tensor<1>) -> Self {
        Self { values: Some(values), ..self }
    }

    /// Sets the recurrent state, of shape `[S, M]`.
    #[must_use]
    pub fn with_state(self, state: Tensor<2>) -> Self {
        Self { state: Some(state), ..self }
    }
}
