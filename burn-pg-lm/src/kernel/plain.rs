//! Reference implementation of the operations with Burn tensors, for every backend.

use std::{collections::BTreeMap, f64::consts::FRAC_2_PI};

use burn::tensor::{
    Bool, Int, Tensor, TensorData,
    activation::{log_softmax, softmax},
};

use crate::Texts;

/// Returns `x W + b`. Shapes: `x` `[T, I]`, `weight` `[I, O]`, `bias` `[O]`.
pub(crate) fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let product = x.matmul(weight);
    match bias {
        Some(bias) => product + bias.unsqueeze(),
        None => product,
    }
}

/// Shifts and scales each row to mean 0 and variance 1, then by `scale` and `shift` (shape `[C]`).
///
/// Source: J. Ba, J. Kiros, G. Hinton, *Layer normalization* (2016).
pub(crate) fn layer_norm(x: Tensor<2>, scale: Tensor<1>, shift: Tensor<1>, epsilon: f64) -> Tensor<2> {
    let centred = x.clone() - x.mean_dim(1);
    let variance = centred.clone().square().mean_dim(1);
    centred / (variance + epsilon).sqrt() * scale.unsqueeze() + shift.unsqueeze()
}

/// Scales each row to a mean square of 1, then by `scale` (shape `[C]`).
///
/// Source: B. Zhang, R. Sennrich, *Root mean square layer normalization* (2019).
pub(crate) fn rms_norm(x: Tensor<2>, scale: Tensor<1>, epsilon: f64) -> Tensor<2> {
    let mean_square = x.clone().square().mean_dim(1);
    x / (mean_square + epsilon).sqrt() * scale.unsqueeze()
}

/// The Gaussian error linear unit as GPT-2 approximates it, with a hyperbolic tangent.
///
/// Source: D. Hendrycks, K. Gimpel, *Gaussian error linear units* (2016).
pub(crate) fn gelu_new(x: Tensor<2>) -> Tensor<2> {
    let cube = x.clone() * x.clone() * x.clone();
    let inner = (x.clone() + cube * 0.044_715) * FRAC_2_PI.sqrt();
    x * 0.5 * (inner.tanh() + 1.0)
}

/// `x / (1 + exp(-x))`
pub(crate) fn silu(x: Tensor<2>) -> Tensor<2> {
    // Burn computes sigmoids in single precision.
    let sigmoid = ((x.clone() * 0.5).tanh() + 1.0) * 0.5;
    x * sigmoid
}

/// Rotates each head by angles that grow with the position of a token in its text: element i of the first half of a head with
/// element i of the second, by `position / theta^(2 i / D)`. Shape `[T, heads * D]`.
///
/// Source: J. Su et al., *RoFormer: enhanced transformer with rotary position embedding* (2021); the pairs are those of Hugging
/// Face's Llama.
pub(crate) fn rotate(x: Tensor<2>, heads: usize, positions: &[usize], theta: f64) -> Tensor<2> {
    let [rows, width] = x.dims();
    let half = width / heads / 2;
    let angles = positions.iter().flat_map(|&position| (0..half).map(move |i| (position, i)));
    let (cos, sin): (Vec<f64>, Vec<f64>) = angles
        .map(|(position, i)| position as f64 * theta.powf(-(i as f64) / half as f64))
        .map(|angle| (angle.cos(), angle.sin()))
        .unzip();
    let device = x.device();
    let [cos, sin] = [cos, sin].map(|values| {
        Tensor::<3>::from_data(TensorData::new(values, [rows, 1, half]).convert_dtype(x.dtype()), (&device, x.dtype()))
    });
    let x = x.reshape([rows, heads, 2 * half]);
    let (first, second) = (x.clone().narrow(2, 0, half), x.narrow(2, half, half));
    let turned = [first.clone() * cos.clone() - second.clone() * sin.clone(), second * cos + first * sin];
    Tensor::cat(turned.into(), 2).reshape([rows, width])
}

/// Causal attention within each text: each token attends to itself and to those before it in the same text. Shapes: `query`
/// `[T, heads * D]`, `key` and `value` `[T, groups * D]`; `heads / groups` consecutive heads share keys and values.
///
/// Sources: A. Vaswani et al., *Attention is all you need* (2017); J. Ainslie et al., *GQA* (2023).
pub(crate) fn attention(
    query: &Tensor<2>,
    key: &Tensor<2>,
    value: &Tensor<2>,
    texts: &Texts,
    [heads, groups]: [usize; 2],
) -> Tensor<2> {
    let (device, [rows, width]) = (query.device(), query.dims());
    let size = width / heads;
    let mut by_length: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for range in texts.ranges().filter(|range| !range.is_empty()) {
        by_length.entry(range.len()).or_default().extend(range);
    }
    let (mut outputs, mut places) = (Vec::new(), Vec::with_capacity(rows));
    for (length, of_length) in by_length {
        let count = of_length.len() / length;
        let indices = integers(&of_length, &device);
        // Shape `[texts, heads, length, D]`.
        let split = |of: &Tensor<2>, heads: usize| {
            of.clone().select(0, indices.clone()).reshape([count, length, heads, size]).swap_dims(1, 2)
        };
        let shared = |of: &Tensor<2>| {
            let shape = [count, groups, heads / groups, length, size];
            split(of, groups).unsqueeze_dim::<5>(2).expand(shape).reshape([count, heads, length, size])
        };
        let scores = split(query, heads).matmul(shared(key).transpose()) / (size as f64).sqrt();
        let later: Vec<bool> = (0..length * length).map(|at| at % length > at / length).collect();
        let later = Tensor::<2, Bool>::from_data(TensorData::new(later, [length, length]), &device);
        let scores = scores.mask_fill(later.unsqueeze::<4>().expand([count, heads, length, length]), f64::NEG_INFINITY);
        let mixed = softmax(scores, 3).matmul(shared(value));
        outputs.push(mixed.swap_dims(1, 2).reshape([count * length, width]));
        places.extend(of_length);
    }
    let mut order = vec![0; rows];
    places.into_iter().enumerate().for_each(|(from, to)| order[to] = from);
    match outputs.len() {
        1 => outputs.remove(0),
        _ => Tensor::cat(outputs, 0).select(0, integers(&order, &device)),
    }
}

/// The logarithms of the probabilities of `targets`, whose logits are `hidden head^T`. Shapes: `hidden` `[T, C]`, `head`
/// `[V, C]`; result `[T]`.
pub(crate) fn log_probs(hidden: Tensor<2>, head: Tensor<2>, targets: &[u32]) -> Tensor<1> {
    let device = hidden.device();
    let targets: Vec<usize> = targets.iter().map(|&target| target as usize).collect();
    let log_probs = log_softmax(hidden.matmul(head.transpose()), 1);
    log_probs.gather(1, integers(&targets, &device).unsqueeze_dim(1)).squeeze_dim(1)
}

#[allow(clippy::cast_possible_wrap)] // tokens and rows are few
fn integers(values: &[usize], device: &burn::tensor::Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values.iter().map(|&value| value as i64).collect();
    Tensor::from_data(TensorData::from(&values[..]), device)
}
