//! Operations that turn each row of a tensor into one number, and know their slopes as soon as they know the number.

use std::{marker::PhantomData, sync::Arc};

use burn::{
    backend::{
        Autodiff, Flex,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
            grads::Gradients,
            ops::{Backward, NodeGuard, Ops, OpsKind},
        },
        flex::FlexTensor,
    },
    tensor::{Shape, Tensor},
};

use super::primitive::{AutodiffTensor, Primitive, Stored, plain};

/// What an operation comes to.
pub struct Rows<T> {
    /// One number for each of R rows.
    pub values: Vec<T>,
    /// For each input, the slope of those numbers in each of its own, which belong to the rows in equal shares.
    pub slopes: Vec<Vec<T>>,
}

impl<T: Stored> Rows<T> {
    /// The numbers as a tensor of shape `[R]`, which carries gradients to the one or two `inputs`.
    pub fn record(self, inputs: Vec<Primitive>) -> Tensor<1> {
        let rows = self.values.len();
        let values = T::tensor(self.values, &[rows]);
        if inputs.iter().all(|input| matches!(input, Primitive::Plain(_))) {
            return plain(values);
        }
        let shapes = inputs.iter().map(Primitive::shape).collect();
        let guards: Vec<NodeGuard> = inputs.into_iter().map(|input| input.into_autodiff().node()).collect();
        let kept = Arc::new(Kept { slopes: self.slopes, shapes });
        let output = match guards.len() {
            1 => record::<T, 1>(guards, kept, values),
            _ => record::<T, 2>(guards, kept, values),
        };
        Tensor::from_primitive::<Autodiff<Flex>>(output)
    }
}

#[derive(Debug)]
struct Kept<T> {
    slopes: Vec<Vec<T>>,
    shapes: Vec<Shape>,
}

fn record<T: Stored, const N: usize>(inputs: Vec<NodeGuard>, kept: Arc<Kept<T>>, output: FlexTensor) -> AutodiffTensor {
    let inputs: [NodeGuard; N] = inputs.try_into().expect("an operation of one or two inputs");
    match Step::<T>(PhantomData).prepare::<NoCheckpointing>(inputs).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish(kept, output),
        OpsKind::UnTracked(step) => step.finish(output),
    }
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
