//! The truncated episodes of a rollout.

use burn::tensor::Tensor;

/// Episodes that were truncated within a rollout.
#[derive(Default)]
pub(in crate::source) struct Truncations {
    /// Their last rows in the rollout.
    pub rows: Vec<usize>,
    /// Their final observations. Shape `[rows, D]`.
    pub observations: Vec<f32>,
    /// The recurrent states before the final observations, if the policy is recurrent. Shape `[1, M]` each.
    pub states: Vec<Tensor<2>>,
}
