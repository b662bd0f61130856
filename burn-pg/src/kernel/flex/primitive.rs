//! Conversion between Burn tensors and flex storage.

use std::{fmt, sync::Arc};

use burn::{
    backend::{
        Autodiff, BackendTensor, DispatchAutodiffContext, DispatchTensorKind, Flex, GradientCheckpointingStrategy,
        TensorMetadata,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
            grads::Gradients,
            ops::{Backward, NodeGuard, Ops, OpsKind},
        },
        flex::{FlexTensor, Layout},
        tensor::FloatTensor,
    },
    tensor::{DType, Element, Int, Shape, Tensor, TensorData},
};
use pulp::bytemuck::Pod;

use crate::kernel::host::Real;

/// A float tensor of the `flex` backend on a device with autodiff, whether it needs a gradient or not.
type AutodiffTensor = FloatTensor<Autodiff<Flex>>;

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

    /// True if the tensor is on a device without autodiff.
    pub fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    /// Converts the tensor to one on a device with autodiff.
    fn into_autodiff(self) -> AutodiffTensor {
        match self {
            Self::Plain(tensor) => AutodiffTensor::new(tensor),
            Self::Autodiff(tensor) => tensor,
        }
    }
}

/// Computes, from the gradient with respect to the output of an operation, the gradient with respect to each input for
/// which the second argument is true.
type Pullback = dyn Fn(&FlexTensor, &[bool]) -> Vec<FlexTensor> + Send + Sync;

/// Returns the output of an operation, which carries gradients to `inputs` if one of them is on a device with autodiff.
///
/// # Panics
/// If no operation has that many inputs.
pub(super) fn record<const D: usize>(
    inputs: Vec<Primitive>,
    output: FlexTensor,
    gradients: impl Fn(&FlexTensor, &[bool]) -> Vec<FlexTensor> + Send + Sync + 'static,
) -> Tensor<D> {
    if inputs.iter().all(Primitive::is_plain) {
        return Tensor::from_primitive::<Flex>(output);
    }
    let inputs: Vec<NodeGuard> = inputs.into_iter().map(|input| input.into_autodiff().node()).collect();
    let kept = Kept(Arc::new(gradients));
    macro_rules! with_as_many_inputs {
        ($($count:literal)*) => {
            match inputs.len() {
                $($count => record_with::<$count>(inputs, output, kept),)*
                count => unreachable!("no operation has {count} inputs"),
            }
        };
    }
    // Up to six losses; or the input of a perceptron, and weights and biases of up to `MOST_LAYERS` layers.
    let output = with_as_many_inputs!(1 2 3 4 5 6 7 9 11 13 15 17);
    Tensor::from_primitive::<Autodiff<Flex>>(output)
}

fn record_with<const N: usize>(inputs: Vec<NodeGuard>, output: FlexTensor, kept: Kept) -> AutodiffTensor {
    let inputs: [NodeGuard; N] = inputs.try_into().expect("as many inputs as were counted");
    match Step.prepare::<NoCheckpointing>(inputs).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish(kept, output),
        OpsKind::UnTracked(step) => step.finish(output),
    }
}

/// What an operation keeps for the backward pass.
#[derive(Clone)]
struct Kept(Arc<Pullback>);

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

/// The backward pass of every operation.
#[derive(Debug)]
struct Step;

impl<const N: usize> Backward<Flex, N> for Step {
    type State = Kept;

    fn backward(self, ops: Ops<Kept, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let outer = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let Kept(pull_back) = ops.state;
        let new = pull_back(&outer, &ops.parents.each_ref().map(Option::is_some));
        for (node, gradient) in ops.parents.into_iter().flatten().zip(new) {
            gradients.register::<Flex>(node.id, gradient);
        }
    }
}

/// A float type that tensors are stored in.
pub(super) trait Stored: Real + Element + Pod {
    /// Returns the elements of a tensor.
    ///
    /// # Panics
    /// If it is not contiguous, or of another type.
    fn numbers(tensor: &FlexTensor) -> &[Self] {
        tensor.as_slice().expect("a contiguous tensor of the float type of the others")
    }

    /// Returns a tensor of these values.
    fn tensor(values: Vec<Self>, shape: &[usize]) -> FlexTensor {
        FlexTensor::from_data(TensorData::new(values, shape.to_vec()))
    }
}

impl Stored for f32 {}
impl Stored for f64 {}

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

/// Returns a tensor of shape `[M]` on a device without autodiff.
pub(super) fn vector<T: Stored>(numbers: Vec<T>) -> Tensor<1> {
    let len = numbers.len();
    plain(T::tensor(numbers, &[len]))
}

/// Returns the elements of `all` from `start` on, as a tensor of this shape. Nothing is copied.
pub(super) fn part(all: &FlexTensor, start: usize, shape: &[usize]) -> FlexTensor {
    let row_major = Layout::contiguous(shape.to_vec().into());
    let layout = Layout::new(row_major.shape().clone(), row_major.strides().to_vec(), start);
    FlexTensor::from_arc(all.data_arc(), layout, all.dtype())
}
