//! Operations that reduce each row of a tensor to one value, and compute the derivatives in the same pass.

use burn::tensor::{Shape, Tensor};

use super::primitive::{Primitive, Stored, record};

/// The result of an operation.
pub struct Rows<T> {
    /// One value for each of R rows.
    pub values: Vec<T>,
    /// For each input, the derivatives of the values with respect to the elements of the input, row by row. All rows
    /// have the same number of elements.
    pub derivatives: Vec<Vec<T>>,
}

impl<T: Stored> Rows<T> {
    /// Returns the values as a tensor of shape `[R]`, which carries gradients to the one or two `inputs`.
    pub fn record(self, inputs: Vec<Primitive>) -> Tensor<1> {
        let Self { values, derivatives } = self;
        let shapes: Vec<Shape> = inputs.iter().map(Primitive::shape).collect();
        let rows = values.len();
        record(inputs, T::tensor(values, &[rows]), move |output_gradient, wanted| {
            let output_gradient = T::elements(output_gradient);
            let wanted = derivatives.iter().zip(&shapes).zip(wanted).filter(|(_, wanted)| **wanted);
            let gradient = |((derivatives, shape), _): ((&Vec<T>, &Shape), _)| {
                let rows = derivatives.chunks_exact(derivatives.len() / output_gradient.len()).zip(output_gradient);
                let gradient = rows.flat_map(|(row, &outer)| row.iter().map(move |&derivative| derivative * outer));
                T::tensor(gradient.collect(), shape)
            };
            wanted.map(gradient).collect()
        })
    }
}
