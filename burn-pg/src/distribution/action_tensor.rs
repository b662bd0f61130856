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
    /// Returns the number of actions, B.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Discrete(actions) => actions.dims()[0],
            Self::MultiDiscrete(actions) => actions.dims()[0],
            Self::MultiBinary(actions) | Self::Continuous(actions) => actions.dims()[0],
        }
    }

    /// True if there are no actions.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same actions without autodiff.
    pub(crate) fn inner(&self) -> Self {
        match self.clone() {
            Self::Discrete(actions) => Self::Discrete(actions.inner()),
            Self::MultiDiscrete(actions) => Self::MultiDiscrete(actions.inner()),
            Self::MultiBinary(actions) => Self::MultiBinary(actions.inner()),
            Self::Continuous(actions) => Self::Continuous(actions.inner()),
        }
    }

    /// The same actions on a device with autodiff, from those of one without.
    #[cfg(feature = "cube")]
    pub(crate) fn with_autodiff(self) -> Self {
        match self {
            Self::Discrete(actions) => Self::Discrete(Tensor::from_inner(actions)),
            Self::MultiDiscrete(actions) => Self::MultiDiscrete(Tensor::from_inner(actions)),
            Self::MultiBinary(actions) => Self::MultiBinary(Tensor::from_inner(actions)),
            Self::Continuous(actions) => Self::Continuous(Tensor::from_inner(actions)),
        }
    }

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
}

/// Panics because a distribution was given actions of another kind than its own.
pub(crate) fn misfit(distribution: &str) -> ! {
    panic!("these are not actions that a {distribution} distribution gives")
}
