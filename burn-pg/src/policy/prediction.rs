//! What a policy puts out.

use burn::tensor::Tensor;

/// What a policy makes of B observations.
///
/// Values are a vector. A column `[B, 1]`, as a linear layer puts out, would make a square of every difference to the
/// returns; it does not compile:
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
    /// Estimates of what each observation is worth, if there is a critic. Shape `[B]`.
    pub values: Option<Tensor<1>>,
    /// The recurrent state after the last step of each of S sequences, if the policy is recurrent. Shape `[S, M]`.
    pub state: Option<Tensor<2>>,
}

impl<D> Prediction<D> {
    /// Returns the prediction of an actor without a critic.
    #[must_use]
    pub fn new(distribution: D) -> Self {
        Self { distribution, values: None, state: None }
    }

    /// With the values of a critic, of shape `[B]`.
    #[must_use]
    pub fn with_values(self, values: Tensor<1>) -> Self {
        Self { values: Some(values), ..self }
    }

    /// With a recurrent state, of shape `[S, M]`.
    #[must_use]
    pub fn with_state(self, state: Tensor<2>) -> Self {
        Self { state: Some(state), ..self }
    }
}
