//! A rollout on a GPU.

use burn::tensor::{DType, Device, Int, Tensor};
use burn_pg_envs::Space;

use crate::{
    distribution::ActionTensor,
    kernel::cube::{Buffer, Recorded, Steps},
};

/// The tensors of a rollout of T steps of N environments, B = T N. Kernels write into them, so all of them are vectors: some
/// runtimes leave gaps between the rows of a matrix.
pub(super) struct DeviceRollout {
    /// Shape `[B * D]`.
    observations: Tensor<1>,
    actions: Actions,
    /// Shape `[B]`.
    pub log_probs: Tensor<1>,
    pub values: Tensor<1>,
    pub advantages: Tensor<1>,
    pub returns: Tensor<1>,
    /// Rewards, then flags. Shape `[2 B]`.
    pub outcomes: Tensor<1>,
    pub next_values: Tensor<1>,
    finals: Tensor<1>,
    rows: usize,
}

/// Actions of shape `[B * K]`.
enum Actions {
    Integers(Tensor<1, Int>),
    Numbers(Tensor<1>),
}

impl DeviceRollout {
    /// Allocates a rollout. The elements are undefined.
    pub fn new(steps: Steps, inputs: usize, space: &Space, device: &Device) -> Self {
        let rows = steps.num_envs * steps.total;
        let vector = |len: usize| Tensor::empty([len], (device, DType::F32));
        let len = rows * space.flat_len();
        Self {
            observations: vector(rows * inputs),
            actions: match space {
                Space::Discrete { .. } | Space::MultiDiscrete { .. } => {
                    Actions::Integers(Tensor::empty([len], (device, DType::I32)))
                }
                _ => Actions::Numbers(vector(len)),
            },
            log_probs: vector(rows),
            values: vector(rows),
            advantages: vector(rows),
            returns: vector(rows),
            outcomes: vector(2 * rows),
            next_values: vector(rows),
            finals: vector(rows * inputs),
            rows,
        }
    }

    /// Returns the buffers that a rollout is recorded in.
    pub fn recorded(&self, states: &Tensor<1>) -> Option<Recorded> {
        Some(Recorded {
            states: Buffer::of(states.clone())?,
            observations: Buffer::of(self.observations.clone())?,
            finals: Buffer::of(self.finals.clone())?,
            actions: match &self.actions {
                Actions::Integers(actions) => Buffer::of_ints(actions.clone()),
                Actions::Numbers(actions) => Buffer::of(actions.clone()),
            }?,
            log_probs: Buffer::of(self.log_probs.clone())?,
            outcomes: Buffer::of(self.outcomes.clone())?,
        })
    }

    /// Returns the observations. Shape `[B, D]`.
    pub fn observations(&self) -> Tensor<2> {
        matrix(&self.observations, self.rows)
    }

    /// Returns the actions, which are those of `space`.
    pub fn actions(&self, space: &Space) -> ActionTensor {
        match (&self.actions, space) {
            (Actions::Integers(actions), Space::Discrete { .. }) => ActionTensor::Discrete(actions.clone()),
            (Actions::Integers(actions), _) => {
                let width = actions.dims()[0] / self.rows;
                ActionTensor::MultiDiscrete(actions.clone().reshape([self.rows, width]))
            }
            (Actions::Numbers(actions), Space::MultiBinary { .. }) => {
                ActionTensor::MultiBinary(matrix(actions, self.rows))
            }
            (Actions::Numbers(actions), _) => ActionTensor::Continuous(matrix(actions, self.rows)),
        }
    }
}

fn matrix(vector: &Tensor<1>, rows: usize) -> Tensor<2> {
    let width = vector.dims()[0] / rows;
    vector.clone().reshape([rows, width])
}
