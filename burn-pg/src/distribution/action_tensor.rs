//! Actions on a device.

use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_pg_envs::ActionBuffer;

/// A batch of B actions on a device.
#[derive(Debug, Clone)]
pub enum ActionTensor {
    /// Elements of a discrete space, counted from 0. Shape `[B]`.
    Discrete(Tensor<1, Int>),
    /// Elements of several discrete components, each counted from 0. Shape `[B, K]`.
    MultiDiscrete(Tensor<2, Int>),
    /// Several components that are each 0 or 1. Shape `[B, K]`.
    MultiBinary(Tensor<2>),
    /// Points of a box. Shape `[B, K]`.
    Continuous(Tensor<2>),
}

impl ActionTensor {
    /// Uploads `batch` actions.
    #[must_use]
    pub fn upload(actions: &ActionBuffer, batch: usize, device: &Device) -> Self {
        let integers = |actions: &[u32]| actions.iter().copied().map(i64::from).collect::<Vec<_>>();
        let shape = |len: usize| [batch, len / batch];
        match actions {
            ActionBuffer::Discrete(actions) => {
                Self::Discrete(Tensor::from_data(TensorData::new(integers(actions), [batch]), device))
            }
            ActionBuffer::MultiDiscrete(actions) => {
                let data = TensorData::new(integers(actions), shape(actions.len()));
                Self::MultiDiscrete(Tensor::from_data(data, device))
            }
            ActionBuffer::MultiBinary(actions) => {
                let numbers: Vec<f32> = actions.iter().map(|&action| f32::from(u8::from(action))).collect();
                Self::MultiBinary(Tensor::from_data(TensorData::new(numbers, shape(actions.len())), device))
            }
            ActionBuffer::Continuous(actions) => {
                let data = TensorData::new(actions.clone(), shape(actions.len()));
                Self::Continuous(Tensor::from_data(data, device))
            }
        }
    }

    /// The rows that `indices` name, in that order.
    #[must_use]
    pub fn select(&self, indices: Tensor<1, Int>) -> Self {
        match self {
            Self::Discrete(actions) => Self::Discrete(actions.clone().select(0, indices)),
            Self::MultiDiscrete(actions) => Self::MultiDiscrete(actions.clone().select(0, indices)),
            Self::MultiBinary(actions) => Self::MultiBinary(actions.clone().select(0, indices)),
            Self::Continuous(actions) => Self::Continuous(actions.clone().select(0, indices)),
        }
    }

    /// The rows `start..start + length`.
    #[must_use]
    pub fn narrow(&self, start: usize, length: usize) -> Self {
        match self {
            Self::Discrete(actions) => Self::Discrete(actions.clone().narrow(0, start, length)),
            Self::MultiDiscrete(actions) => Self::MultiDiscrete(actions.clone().narrow(0, start, length)),
            Self::MultiBinary(actions) => Self::MultiBinary(actions.clone().narrow(0, start, length)),
            Self::Continuous(actions) => Self::Continuous(actions.clone().narrow(0, start, length)),
        }
    }
}

/// A distribution was given actions of another kind than its own.
pub(crate) fn misfit(distribution: &str) -> ! {
    panic!("these are not actions that a {distribution} distribution gives")
}
