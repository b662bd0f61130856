//! Operations that reduce each row of a tensor to one value, and compute its derivatives in the same pass.

use burn::tensor::{Shape, Tensor};

use super::primitive::{Primitive, Stored, record};

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
        let Self { values, slopes } = self;
        let shapes: Vec<Shape> = inputs.iter().map(Primitive::shape).collect();
        let rows = values.len();
        record(inputs, T::tensor(values, &[rows]), move |outer, wanted| {
            let outer = T::numbers(outer);
            let wanted = slopes.iter().zip(&shapes).zip(wanted).filter(|(_, wanted)| **wanted);
            let gradient = |((slopes, shape), _): ((&Vec<T>, &Shape), _)| {
                let rows = slopes.chunks_exact(slopes.len() / outer.len()).zip(outer);
                let gradient = rows.flat_map(|(row, &outer)| row.iter().map(move |&slope| slope * outer));
                T::tensor(gradient.collect(), shape)
            };
            wanted.map(gradient).collect()
        })
    }
}
