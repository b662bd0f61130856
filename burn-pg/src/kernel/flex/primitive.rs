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

/// A float tensor of the `flex` backend on a device with autodiff. It may need a gradient or not.
type AutodiffTensor = FloatTensor<Autodiff<Flex>>;

/// A float tensor of the `flex` backend.
pub enum Primitive {
    /// On a device without autodiff.
    Plain(FlexTensor),
    /// On a device with autodiff.
    Autodiff(AutodiffTensor),
}

impl Primitive {
    /// Returns the flex tensor of a Burn tensor. `None` if it is on another backend, or uses gradient checkpointing.
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
        // `to_contiguous` would copy a contiguous slice of a larger tensor.
        if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() }
    }

    /// Returns the shape.
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

/// A function from the gradient with respect to the output of an operation to the gradients with respect to its inputs.
/// The second argument is true for the inputs that need one.
type Pullback = dyn Fn(&FlexTensor, &[bool]) -> Vec<FlexTensor> + Send + Sync;

/// Returns the output of an operation, which carries gradients to `inputs` if one of them is on a device with autodiff.
///
/// # Panics
/// If no operation has that many inputs.
pub fn record<const D: usize>(
    inputs: Vec<Primitive>,
    output: FlexTensor,
    gradients: impl Fn(&FlexTensor, &[bool]) -> Vec<FlexTensor> + Send + Sync + 'static,
) -> Tensor<D> {
    if inputs.iter().all(Primitive::is_plain) {
        return Tensor::from_primitive::<Flex>(output);
    }
    let inputs: Vec<NodeGuard> = inputs.into_iter().map(|input| input.into_autodiff().node()).collect();
    let pullback = SharedPullback(Arc::new(gradients));
    macro_rules! with_as_many_inputs {
        ($($count:literal)*) => {
            match inputs.len() {
                $($count => record_with::<$count>(inputs, output, pullback),)*
                count => unreachable!("no operation has {count} inputs"),
            }
        };
    }
    // Up to six losses; or the input of a perceptron, and weights and biases of up to `MOST_LAYERS` layers.
    let output = with_as_many_inputs!(1 2 3 4 5 6 7 9 11 13 15 17);
    Tensor::from_primitive::<Autodiff<Flex>>(output)
}

fn record_with<const N: usize>(inputs: Vec<NodeGuard>, output: FlexTensor, pullback: SharedPullback) -> AutodiffTensor {
    let inputs: [NodeGuard; N] = inputs.try_into().expect("N inputs");
    match Step.prepare::<NoCheckpointing>(inputs).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish(pullback, output),
        OpsKind::UnTracked(step) => step.finish(output),
    }
}

/// The data that an operation keeps for the backward pass. Clones share it.
#[derive(Clone)]
struct SharedPullback(Arc<Pullback>);

impl fmt::Debug for SharedPullback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedPullback").finish_non_exhaustive()
    }
}

/// The backward pass of every operation.
#[derive(Debug)]
struct Step;

impl<const N: usize> Backward<Flex, N> for Step {
    type State = SharedPullback;

    fn backward(self, ops: Ops<SharedPullback, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let output_gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let SharedPullback(pull_back) = ops.state;
        let new = pull_back(&output_gradient, &ops.parents.each_ref().map(Option::is_some));
        for (node, gradient) in ops.parents.into_iter().flatten().zip(new) {
            gradients.register::<Flex>(node.id, gradient);
        }
    }
}

/// A float type that tensors are stored in.
pub trait Stored: Real + Element + Pod {
    /// Returns the elements of a tensor.
    ///
    /// # Panics
    /// If the tensor is not contiguous, or of another type.
    fn elements(tensor: &FlexTensor) -> &[Self] {
        tensor.as_slice().expect("a contiguous tensor of the same float type as the others")
    }

    /// Returns a tensor of these values.
    fn tensor(values: Vec<Self>, shape: &[usize]) -> FlexTensor {
        FlexTensor::from_data(TensorData::new(values, shape.to_vec()))
    }
}

impl Stored for f32 {}
impl Stored for f64 {}

/// Copies the elements of a tensor. `None` if the tensor is on another backend, or not in single precision.
pub fn copy_to_host(tensor: &Tensor<1>) -> Option<Vec<f32>> {
    let values = Primitive::of(tensor.clone())?.values();
    (values.dtype() == DType::F32).then(|| f32::elements(&values).to_vec())
}

/// Copies the elements of an integer tensor, on a device with or without autodiff. `None` if the tensor is on another
/// backend, or has neither 32 nor 64 bits.
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

/// Runs a kernel for the float type of tensors. `None` if there is no kernel for this type.
#[doc(hidden)]
#[macro_export]
macro_rules! by_float_type {
    ($dtype:expr, $float:ident => $run:expr) => {
        match $dtype {
            $crate::burn::tensor::DType::F32 => {
                type $float = f32;
                Some($run)
            }
            $crate::burn::tensor::DType::F64 => {
                type $float = f64;
                Some($run)
            }
            _ => None,
        }
    };
}
pub(super) use by_float_type;

/// Returns the tensor (shape `[P]`) whose consecutive slices are `parts`, without copying. `None` if they are not
/// slices of one tensor, or do not cover all of it in order.
pub fn join_slices(parts: &[Tensor<1>]) -> Option<Tensor<1>> {
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
pub(super) fn vector<T: Stored>(values: Vec<T>) -> Tensor<1> {
    let len = values.len();
    plain(T::tensor(values, &[len]))
}

/// Returns the elements of `all` from index `start` on as a tensor of this shape. Nothing is copied.
pub(super) fn part(all: &FlexTensor, start: usize, shape: &[usize]) -> FlexTensor {
    let row_major = Layout::contiguous(shape.to_vec().into());
    let layout = Layout::new(row_major.shape().clone(), row_major.strides().to_vec(), start);
    FlexTensor::from_arc(all.data_arc(), layout, all.dtype())
}
