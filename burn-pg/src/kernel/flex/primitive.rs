//! Between tensors, and what the `flex` backend makes of them.

use burn::{
    backend::{
        Autodiff, BackendTensor, DispatchAutodiffContext, DispatchTensorKind, Flex, GradientCheckpointingStrategy,
        tensor::FloatTensor,
        flex::{FlexTensor, Layout},
    },
    tensor::{Tensor, TensorData},
};

use crate::kernel::host::Real;

/// A float tensor of the `flex` backend on a device with autodiff, whether it needs a gradient or not.
pub(super) type AutodiffTensor = FloatTensor<Autodiff<Flex>>;

/// A float tensor of the `flex` backend.
pub(super) enum Primitive {
    /// On a device without autodiff.
    Plain(FlexTensor),
    /// On a device with autodiff.
    Autodiff(AutodiffTensor),
}

impl Primitive {
    /// That of a tensor; none if it is one of another backend, or activations are to be computed again in the backward pass.
    pub fn of<const D: usize>(tensor: Tensor<D>) -> Option<Self> {
        let tensor = tensor.into_dispatch();
        match (tensor.kind, tensor.autodiff) {
            (DispatchTensorKind::Flex(BackendTensor::Float(tensor)), DispatchAutodiffContext::Disabled) => {
                Some(Self::Plain(tensor))
            }
            (
                DispatchTensorKind::Autodiff(kind),
                DispatchAutodiffContext::Enabled(GradientCheckpointingStrategy::Disabled),
            ) => match *kind {
                DispatchTensorKind::Flex(BackendTensor::Autodiff(tensor)) => Some(Self::Autodiff(tensor)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The numbers, contiguous.
    pub fn values(&self) -> FlexTensor {
        match self {
            Self::Plain(tensor) => tensor.to_contiguous(),
            Self::Autodiff(tensor) => tensor.primitive().to_contiguous(),
        }
    }

    /// As on a device with autodiff.
    pub fn into_autodiff(self) -> AutodiffTensor {
        match self {
            Self::Plain(tensor) => AutodiffTensor::new(tensor),
            Self::Autodiff(tensor) => tensor,
        }
    }
}

/// A float type that tensors are stored in.
pub(super) trait Stored: Real {
    /// The numbers of a tensor.
    ///
    /// # Panics
    /// If it is not contiguous, or of another type.
    fn numbers(tensor: &FlexTensor) -> &[Self];

    /// A tensor of these numbers.
    fn tensor(values: Vec<Self>, shape: &[usize]) -> FlexTensor;
}

macro_rules! stored {
    ($float:ty) => {
        impl Stored for $float {
            fn numbers(tensor: &FlexTensor) -> &[Self] {
                tensor.as_slice().expect("a contiguous tensor of the float type of the others")
            }

            fn tensor(values: Vec<Self>, shape: &[usize]) -> FlexTensor {
                FlexTensor::from_data(TensorData::new(values, shape.to_vec()))
            }
        }
    };
}

stored!(f32);
stored!(f64);

/// A part of the numbers of `all`, from `start` on, as a tensor of its own shape. Nothing is copied.
pub(super) fn part(all: &FlexTensor, start: usize, shape: &[usize]) -> FlexTensor {
    let row_major = Layout::contiguous(shape.to_vec().into());
    let layout = Layout::new(row_major.shape().clone(), row_major.strides().to_vec(), start);
    FlexTensor::from_arc(all.data_arc(), layout, all.dtype())
}
