//! Kernels of optimisers: gradient clipping, and the step of Adam.

use burn::{
    backend::{TensorMetadata, flex::FlexTensor},
    tensor::Tensor,
};

use super::primitive::{Primitive, Stored, by_float_type, plain, vector};
use crate::kernel::{
    formula::{self, AdamStep, Dual},
    host::{Real, dot_product, vectorised},
};

/// Scales a gradient (shape `[P]`, without autodiff) to a norm of at most `max_norm`. Returns the scaled
/// gradient, and the norm before scaling.
pub fn clip_global_norm(gradient: &Tensor<1>, max_norm: f64) -> Option<(Tensor<1>, Tensor<1>)> {
    let Primitive::Plain(gradient) = Primitive::of(gradient.clone())? else { return None };
    let gradient = gradient.to_contiguous();
    by_float_type!(gradient.dtype(), T => {
        let elements = T::elements(&gradient);
        let norm = dot_product(elements, elements).sqrt();
        let factor = T::of(max_norm) / (norm + T::of(1e-6));
        // The comparison is false for a factor of NaN, so that the result is NaN.
        let clipped = if factor > 1.0 { plain(gradient.clone()) } else {
            let mut scaled = elements.to_vec();
            scale(&mut scaled, factor);
            vector(scaled)
        };
        (clipped, vector(vec![norm]))
    })
}

vectorised! {
    fn scale<'a, T>(elements: &'a mut [T], factor: T) -> () {
        for element in elements {
            *element = *element * factor;
        }
    }
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
        adam(step, &mut parameters, T::elements(&gradient), &mut first, &mut second);
        [parameters, first, second].map(vector)
    })
}

vectorised! {
    /// Takes a step, in one pass over arrays of the same length.
    fn adam<'a, T>(
        step: AdamStep,
        parameters: &'a mut [T],
        gradient: &'a [T],
        first: &'a mut [T],
        second: &'a mut [T],
    ) -> () {
        for (((parameter, &gradient), first), second) in parameters.iter_mut().zip(gradient).zip(first).zip(second) {
            let moments = [Dual::<T, 0>::constant(*first), Dual::constant(*second)];
            let after = formula::adam(step, Dual::constant(*parameter), Dual::constant(gradient), moments);
            (*parameter, *first, *second) = (after[0].value, after[1].value, after[2].value);
        }
    }
}
