//! Operations that reduce each row of a tensor to one value, and compute its derivatives in the same pass.

use std::{marker::PhantomData, sync::Arc};

use burn::{
    backend::{
        Autodiff, Flex,
        autodiff::{
            checkpoint::base::Checkpointer,
            grads::Gradients,
            ops::{Backward, NodeGuard, Ops},
        },
    },
    tensor::{Shape, Tensor},
};

use super::primitive::{Primitive, Stored, plain, record};

/// The result of an operation.
pub struct Rows<T> {
    /// One value for each of R rows.
    pub values: Vec<T>,
    /// For each input, the derivatives of the values with respect to its elements, row by row; every row has the same
    /// number of elements.
    pub slopes: Vec<Vec<T>>,
}

impl<T: Stored> Rows<T> {
    /// Returns the values as a tensor of shape `[R]`, which carries gradients to the one or two `inputs`.
    pub fn record(self, inputs: Vec<Primitive>) -> Tensor<1> {
        let rows = self.values.len();
        let values = T::tensor(self.values, &[rows]);
        if inputs.iter().all(|input| matches!(input, Primitive::Plain(_))) {
            return plain(values);
        }
        let shapes = inputs.iter().map(Primitive::shape).collect();
        let guards: Vec<NodeGuard> = inputs.into_iter().map(|input| input.into_autodiff().node()).collect();
        let kept = Arc::new(Kept { slopes: self.slopes, shapes });
        let step = Step::<T>(PhantomData);
        let output = match guards.len() {
            1 => record::<_, 1>(step, guards, kept, values),
            _ => record::<_, 2>(step, guards, kept, values),
        };
        Tensor::from_primitive::<Autodiff<Flex>>(output)
    }
}

#[derive(Debug)]
struct Kept<T> {
    slopes: Vec<Vec<T>>,
    shapes: Vec<Shape>,
}

#[derive(Debug)]
struct Step<T>(PhantomData<T>);

impl<T: Stored, const N: usize> Backward<Flex, N> for Step<T> {
    type State = Arc<Kept<T>>;

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let outer = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let outer = T::numbers(&outer);
        let Kept { slopes, shapes } = &*ops.state;
        for ((parent, slopes), shape) in ops.parents.into_iter().zip(slopes).zip(shapes) {
            let Some(node) = parent else { continue };
            let width = slopes.len() / outer.len();
            let rows = slopes.chunks_exact(width).zip(outer);
            let gradient = rows.flat_map(|(row, &outer)| row.iter().map(move |&slope| slope * outer)).collect();
            gradients.register::<Flex>(node.id, T::tensor(gradient, shape));
        }
    }
}
