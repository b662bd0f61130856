//! Tensors as buffers of kernels.

#[cfg(not(feature = "fusion"))]
use burn::{backend::BackendTensor, tensor::DType};
use burn::{
    backend::DispatchTensorKind,
    tensor::{Device, Int, IntDType, Tensor},
};
#[cfg(not(feature = "fusion"))]
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::{client::Client, prelude::BufferArg};

/// The buffer of a tensor on a GPU, in single precision or of integers with 32 bits. Kernels may write into it; the tensor and its clones then have the new elements.
#[derive(Debug, Clone)]
pub(crate) struct Buffer(CubeTensor);

impl Buffer {
    /// Returns the buffer of a tensor, with or without autodiff. `None` if it is not on a GPU.
    pub fn of<const D: usize>(tensor: Tensor<D>) -> Option<Self> {
        Self::of_kind(tensor.into_dispatch().kind)
    }

    /// Returns the buffer of an integer tensor, or of a copy with 32 bits if it has others. `None` if it is not on a GPU.
    pub fn of_ints<const D: usize>(tensor: Tensor<D, Int>) -> Option<Self> {
        Self::of_kind(tensor.cast(IntDType::I32).into_dispatch().kind)
    }

    #[cfg(not(feature = "fusion"))]
    fn of_kind(kind: DispatchTensorKind) -> Option<Self> {
        let tensor = match kind {
            DispatchTensorKind::Cube(BackendTensor::Float(tensor) | BackendTensor::Int(tensor)) => tensor,
            DispatchTensorKind::Autodiff(inner) => match *inner {
                DispatchTensorKind::Cube(BackendTensor::Autodiff(tensor)) => tensor.primitive().clone(),
                DispatchTensorKind::Cube(BackendTensor::Int(tensor)) => tensor,
                _ => return None,
            },
            #[allow(unreachable_patterns)] // in builds with this backend alone
            _ => return None,
        };
        // Kernels are written for these types.
        matches!(tensor.dtype, DType::F32 | DType::I32).then(|| Self(into_contiguous(tensor)))
    }

    /// With fusion, tensors are computed later, and have no buffers.
    #[cfg(feature = "fusion")]
    fn of_kind(_kind: DispatchTensorKind) -> Option<Self> {
        None
    }

    /// Returns the argument of a kernel.
    pub(super) fn arg(&self) -> BufferArg {
        self.0.clone().into_buffer_arg()
    }
}

/// Returns the client of the device of a tensor. `None` if it is not on a GPU.
pub(crate) fn client(tensor: &Tensor<1>) -> Option<Client> {
    Some(Buffer::of(tensor.clone())?.0.client)
}

/// True if the tensors of a device are on a GPU that the kernels can use.
pub(crate) fn is_gpu(device: &Device) -> bool {
    client(&Tensor::empty([1], device)).is_some()
}
