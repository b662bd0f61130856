//! A rollout on a GPU.

use burn::tensor::{DType, Device, Int, Tensor};
use burn_pg_envs::Space;

use crate::{
    distribution::ActionTensor,
    kernel::cube::{Buffer, Recorded, Steps},
};

/// The tensors of a rollout of T steps of N environments, B = T N.
pub(super) struct DeviceRollout {
    /// Shape `[B, D]`.
    pub observations: Tensor<2>,
    pub actions: ActionTensor,
    /// Shape `[B]`.
    pub log_probs: Tensor<1>,
    pub values: Tensor<1>,
    pub advantages: Tensor<1>,
    pub returns: Tensor<1>,
    /// Rewards, then flags. Shape `[2 B]`.
    pub outcomes: Tensor<1>,
    pub next_values: Tensor<1>,
    finals: Tensor<2>,
}

impl DeviceRollout {
    /// Allocates a rollout. The elements are undefined.
    pub fn new(steps: Steps, inputs: usize, space: &Space, device: &Device) -> Self {
        let rows = steps.num_envs * steps.total;
        let column = || Tensor::empty([rows], device);
        Self {
            observations: Tensor::empty([rows, inputs], device),
            actions: actions(rows, space, device),
            log_probs: column(),
            values: column(),
            advantages: column(),
            returns: column(),
            outcomes: Tensor::empty([2 * rows], device),
            next_values: column(),
            finals: Tensor::empty([rows, inputs], device),
        }
    }

    /// Returns the buffers that a rollout is recorded in.
    pub fn recorded(&self, states: &Tensor<2>) -> Option<Recorded> {
        Some(Recorded {
            states: Buffer::of(states.clone())?,
            observations: Buffer::of(self.observations.clone())?,
            finals: Buffer::of(self.finals.clone())?,
            actions: match self.actions.clone() {
                ActionTensor::Discrete(actions) => Buffer::of_ints(actions),
                ActionTensor::MultiDiscrete(actions) => Buffer::of_ints(actions),
                ActionTensor::MultiBinary(actions) | ActionTensor::Continuous(actions) => Buffer::of(actions),
            }?,
            log_probs: Buffer::of(self.log_probs.clone())?,
            outcomes: Buffer::of(self.outcomes.clone())?,
        })
    }
}

fn actions(rows: usize, space: &Space, device: &Device) -> ActionTensor {
    fn integers<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D, Int> {
        Tensor::empty(shape, (device, DType::I32))
    }
    match space {
        Space::Discrete { .. } => ActionTensor::Discrete(integers([rows], device)),
        Space::MultiDiscrete { .. } => ActionTensor::MultiDiscrete(integers([rows, space.flat_len()], device)),
        Space::MultiBinary { .. } => ActionTensor::MultiBinary(Tensor::empty([rows, space.flat_len()], device)),
        _ => ActionTensor::Continuous(Tensor::empty([rows, space.flat_len()], device)),
    }
}
