//! The operations on the `flex` backend. Each returns `None` for tensors of other backends.

use burn::{backend::flex::FlexTensor, tensor::Tensor};
use burn_pg::{
    by_float_type,
    kernel::parts::{Primitive, Stored, record},
};

use super::host::{self, Angles, Head, Heads, Linear, Span};

/// Keeps the gradients of inputs that need one, as tensors of these shapes.
fn gradients<T: Stored, const N: usize>(
    values: [Vec<T>; N],
    shapes: [&[usize]; N],
    needed: &[bool],
) -> Vec<FlexTensor> {
    let all = values.into_iter().zip(shapes).zip(needed);
    all.filter(|(_, needed)| **needed).map(|((values, shape), _)| T::tensor(values, shape)).collect()
}

pub(super) fn linear(x: &Tensor<2>, weight: &Tensor<2>, bias: Option<&Tensor<1>>) -> Option<Tensor<2>> {
    let ([rows, inputs], [_, outputs]) = (x.dims(), weight.dims());
    let mut all = vec![Primitive::of(x.clone())?, Primitive::of(weight.clone())?];
    if let Some(bias) = bias {
        all.push(Primitive::of(bias.clone())?);
    }
    let (x, weight) = (all[0].values(), all[1].values());
    let bias = bias.is_some().then(|| all[2].values());
    by_float_type!(x.dtype(), T => {
        let map = Linear::new(T::elements(&weight), bias.as_ref().map(T::elements), outputs);
        let y = map.apply(T::elements(&x));
        record(all, T::tensor(y, &[rows, outputs]), move |of_y, needed| {
            let all_needed = [needed[0], needed[1], needed.get(2).copied().unwrap_or(false)];
            let of_y = T::elements(of_y);
            let sums = host::linear_backward(T::elements(&x), T::elements(&weight), of_y, [inputs, outputs], all_needed);
            gradients(sums, [&[rows, inputs], &[inputs, outputs], &[outputs]], needed)
        })
    })
}

pub(super) fn norm(x: &Tensor<2>, scale: &Tensor<1>, shift: Option<&Tensor<1>>, epsilon: f64) -> Option<Tensor<2>> {
    let [rows, width] = x.dims();
    let mut all = vec![Primitive::of(x.clone())?, Primitive::of(scale.clone())?];
    if let Some(shift) = shift {
        all.push(Primitive::of(shift.clone())?);
    }
    let (x, scale) = (all[0].values(), all[1].values());
    let shift = shift.is_some().then(|| all[2].values());
    by_float_type!(x.dtype(), T => {
        let y = host::norm(T::elements(&x), T::elements(&scale), shift.as_ref().map(T::elements), epsilon);
        let centred = shift.is_some();
        record(all, T::tensor(y, &[rows, width]), move |of_y, needed| {
            let sums = host::norm_backward(T::elements(&x), T::elements(&scale), centred, epsilon, T::elements(of_y));
            gradients(sums, [&[rows, width], &[width], &[width]], needed)
        })
    })
}

/// One of the two activations: returns the results, and what the derivative is computed from.
macro_rules! activation {
    ($name:ident, $forward:path, $backward:path) => {
        pub(super) fn $name(x: &Tensor<2>) -> Option<Tensor<2>> {
            let (shape, x) = (x.dims(), Primitive::of(x.clone())?);
            let values = x.values();
            by_float_type!(values.dtype(), T => {
                let [y, kept] = $forward(T::elements(&values));
                record(vec![x], T::tensor(y, &shape), move |of_y, _| {
                    vec![T::tensor($backward(T::elements(&values), &kept, T::elements(of_y)), &shape)]
                })
            })
        }
    };
}

activation!(gelu_new, host::gelu, host::gelu_backward);
activation!(silu, host::silu, host::silu_backward);

pub(super) fn rotate(x: &Tensor<2>, heads: usize, positions: &[usize], theta: f64) -> Option<Tensor<2>> {
    let [rows, width] = x.dims();
    let x = Primitive::of(x.clone())?;
    let values = x.values();
    let positions = positions.to_vec();
    by_float_type!(values.dtype(), T => {
        let angles = Angles::<T>::new(positions.iter().max().map_or(0, |last| last + 1), width / heads, theta);
        let mut y = T::elements(&values).to_vec();
        angles.rotate(&mut y, width, positions.iter().copied(), false);
        record(vec![x], T::tensor(y, &[rows, width]), move |of_y, _| {
            let mut of_x = T::elements(of_y).to_vec();
            angles.rotate(&mut of_x, width, positions.iter().copied(), true);
            vec![T::tensor(of_x, &[rows, width])]
        })
    })
}

pub(super) fn attention(
    query: &Tensor<2>,
    key: &Tensor<2>,
    value: &Tensor<2>,
    spans: Vec<Span>,
    [heads, groups]: [usize; 2],
) -> Option<Tensor<2>> {
    let ([queries, of_query], [rows, of_key]) = (query.dims(), key.dims());
    let all = [query, key, value].map(|tensor| Primitive::of(tensor.clone()));
    let [Some(query), Some(key), Some(value)] = all else { return None };
    let values = [query.values(), key.values(), value.values()];
    let heads = Heads { count: heads, groups, width: of_query / heads };
    by_float_type!(values[0].dtype(), T => {
        let result = host::attend_all(heads, &spans, values.each_ref().map(T::elements));
        record(vec![query, key, value], T::tensor(result, &[queries, of_query]), move |of_result, needed| {
            let inputs = values.each_ref().map(T::elements);
            let sums = host::attend_backward(heads, &spans, inputs, T::elements(of_result));
            gradients(sums, [&[queries, of_query], &[rows, of_key], &[rows, of_key]], needed)
        })
    })
}

pub(super) fn log_probs(hidden: &Tensor<2>, head: &Tensor<2>, targets: &[u32]) -> Option<Tensor<1>> {
    let ([rows, width], [vocabulary, _]) = (hidden.dims(), head.dims());
    let (hidden, head) = (Primitive::of(hidden.clone())?, Primitive::of(head.clone())?);
    let (states, weight) = (hidden.values(), head.values());
    let targets = targets.to_vec();
    by_float_type!(states.dtype(), T => {
        let map = Head::new(T::elements(&weight), width);
        let [log_probs, normalisers] = map.log_probs(T::elements(&states), &targets);
        record(vec![hidden, head], T::tensor(log_probs, &[rows]), move |of_log_probs, needed| {
            let needed_both = [needed[0], needed[1]];
            let (weight, states, of_log_probs) = (T::elements(&weight), T::elements(&states), T::elements(of_log_probs));
            let sums = map.backward(weight, states, &targets, &normalisers, of_log_probs, needed_both);
            gradients(sums, [&[rows, width], &[vocabulary, width]], needed)
        })
    })
}
