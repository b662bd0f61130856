//! Conversion between Burn tensors and flex storage.

use std::sync::Arc;

use burn::{
    backend::{
        Autodiff, BackendTensor, DispatchAutodiffContext, DispatchTensorKind, Flex, GradientCheckpointingStrategy,
        TensorMetadata,
        autodiff::{
            checkpoint::strategy::NoCheckpointing,
            ops::{Backward, NodeGuard, OpsKind},
        },
        flex::{FlexTensor, Layout},
        tensor::FloatTensor,
    },
    tensor::{DType, Int, Shape, Tensor, TensorData},
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
    /// Returns the flex tensor of a Burn tensor. `None` for a tensor of another backend, and with gradient checkpointing.
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

    /// Returns the elements as a contiguous tensor.
    pub fn values(&self) -> FlexTensor {
        let tensor = match self {
            Self::Plain(tensor) => tensor.clone(),
            Self::Autodiff(tensor) => tensor.primitive().clone(),
        };
        // A slice of a larger tensor can be contiguous, too; `to_contiguous` would copy it.
        if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() }
    }

    pub fn shape(&self) -> Shape {
        match self {
            Self::Plain(tensor) => tensor.shape(),
            Self::Autodiff(tensor) => tensor.shape(),
        }
    }

    /// Converts the tensor to one on a device with autodiff.
    pub fn into_autodiff(self) -> AutodiffTensor {
        match self {
            Self::Plain(tensor) => AutodiffTensor::new(tensor),
            Self::Autodiff(tensor) => tensor,
        }
    }
}

/// Records an operation with these inputs in the autodiff graph.
///
/// # Panics
/// If there are not N inputs.
pub(super) fn record<S: Backward<Flex, N>, const N: usize>(
    step: S,
    inputs: Vec<NodeGuard>,
    kept: S::State,
    output: FlexTensor,
) -> AutodiffTensor {
    let inputs: [NodeGuard; N] = inputs.try_into().expect("as many inputs as the operation has");
    match step.prepare::<NoCheckpointing>(inputs).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish(kept, output),
        OpsKind::UnTracked(step) => step.finish(output),
    }
}

/// A float type that tensors are stored in.
pub(super) trait Stored: Real {
    /// Returns the elements of a tensor.
    ///
    /// # Panics
    /// If it is not contiguous, or of another type.
    fn numbers(tensor: &FlexTensor) -> &[Self];

    /// Returns a tensor of these values.
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

/// Copies the elements of a tensor; `None` if it is not one of the `flex` backend, or not in single precision.
pub fn numbers(tensor: &Tensor<1>) -> Option<Vec<f32>> {
    let values = Primitive::of(tensor.clone())?.values();
    (values.dtype() == DType::F32).then(|| f32::numbers(&values).to_vec())
}

/// Copies the elements of an integer tensor, on a device with autodiff or without; `None` if it is not one of the
/// `flex` backend.
pub(super) fn integers(tensor: Tensor<1, Int>) -> Option<Vec<i64>> {
    let mut kind = tensor.into_dispatch().kind;
    if let DispatchTensorKind::Autodiff(inner) = kind {
        kind = *inner;
    }
    match kind {
        DispatchTensorKind::Flex(BackendTensor::Int(tensor)) => match tensor.dtype() {
            DType::I64 => Some(tensor.to_contiguous().as_slice::<i64>()?.to_vec()),
            DType::I32 => Some(tensor.to_contiguous().as_slice::<i32>()?.iter().map(|&index| index.into()).collect()),
            _ => None,
        },
        _ => None,
    }
}

/// Runs a kernel for the float type of tensors; `None` if there is no kernel for it.
macro_rules! by_float_type {
    ($dtype:expr, $float:ident => $run:expr) => {
        match $dtype {
            burn::tensor::DType::F32 => {
                type $float = f32;
                Some($run)
            }
            burn::tensor::DType::F64 => {
                type $float = f64;
                Some($run)
            }
            _ => None,
        }
    };
}
pub(super) use by_float_type;

/// Returns `parts` as one tensor of shape `[P]` without copying, or `None` if they are not adjacent slices of one tensor, in
/// order, that cover all of it.
pub fn whole(parts: &[Tensor<1>]) -> Option<Tensor<1>> {
    let mut all: Option<FlexTensor> = None;
    let mut end = 0;
    for part in parts {
        let Primitive::Plain(tensor) = Primitive::of(part.clone())? else { return None };
        let (first, last) = tensor.layout().contiguous_offsets()?;
        let same = all.as_ref().is_none_or(|all| Arc::ptr_eq(&all.data_arc(), &tensor.data_arc()));
        if !same || first != end {
            return None;
        }
        end = last;
        all.get_or_insert(tensor);
    }
    let all = all?;
    let complete = end * all.dtype().size() == all.bytes().len();
    complete.then(|| plain(FlexTensor::from_arc(all.data_arc(), Layout::contiguous([end].into()), all.dtype())))
}

/// Returns a tensor on a device without autodiff.
pub(super) fn plain(tensor: FlexTensor) -> Tensor<1> {
    Tensor::from_primitive::<Flex>(tensor)
}

/// Returns a value to report, as a tensor of shape `[1]`.
pub(super) fn metric<T: Stored>(number: T) -> Tensor<1> {
    plain(T::tensor(vec![number], &[1]))
}

/// Returns the elements of `all` from `start` on, as a tensor of this shape. Nothing is copied.
pub(super) fn part(all: &FlexTensor, start: usize, shape: &[usize]) -> FlexTensor {
    let row_major = Layout::contiguous(shape.to_vec().into());
    let layout = Layout::new(row_major.shape().clone(), row_major.strides().to_vec(), start);
    FlexTensor::from_arc(all.data_arc(), layout, all.dtype())
}
