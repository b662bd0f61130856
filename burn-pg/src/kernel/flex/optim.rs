//! Kernels of optimisers: gradient clipping, and the step of Adam.

use burn::{
    backend::{TensorMetadata, flex::FlexTensor},
    tensor::Tensor,
};

use super::primitive::{Primitive, Stored, by_float_type, vector};
use crate::kernel::{
    formula::AdamStep,
    host::{Real, optim as host},
};

/// Scales a gradient (shape `[P]`, without autodiff) to a norm of at most `max_norm`. Returns the scaled
/// gradient, and the norm before scaling.
pub fn clip_global_norm(gradient: &Tensor<1>, max_norm: f64) -> Option<(Tensor<1>, Tensor<1>)> {
    let Primitive::Plain(gradient) = Primitive::of(gradient.clone())? else { return None };
    let gradient = gradient.to_contiguous();
    by_float_type!(gradient.dtype(), T => {
        let mut elements = T::elements(&gradient).to_vec();
        let norm = host::clip_global_norm(&mut elements, max_norm);
        (vector(elements), vector(vec![norm]))
    })
}

/// Returns the parameters and both moments after a step of Adam. Shapes `[P]`, without autodiff.
pub fn adam_step(
    step: AdamStep,
    parameters: &Tensor<1>,
    gradient: &Tensor<1>,
    moments: [Option<&Tensor<1>>; 2],
) -> Option<[Tensor<1>; 3]> {
    let read = |tensor: &Tensor<1>| match Primitive::of(tensor.clone()) {
        Some(Primitive::Plain(tensor)) => Some(tensor.to_contiguous()),
        _ => None,
    };
    let (parameters, gradient) = (read(parameters)?, read(gradient)?);
    let moments = match moments {
        [Some(first), Some(second)] => Some([read(first)?, read(second)?]),
        _ => None,
    };
    let len = gradient.shape()[0];
    by_float_type!(gradient.dtype(), T => {
        let copy = |tensor: &FlexTensor| T::elements(tensor).to_vec();
        let (mut parameters, [mut first, mut second]) = (copy(&parameters), match &moments {
            Some(moments) => moments.each_ref().map(copy),
            None => [vec![0.0; len], vec![0.0; len]],
        });
        host::adam(step, T::of(1.0), &mut parameters, T::elements(&gradient), &mut first, &mut second);
        [parameters, first, second].map(vector)
    })
}
