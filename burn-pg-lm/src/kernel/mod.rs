//! The operations of language models on ragged rows: kernels on the `flex` backend, the reference implementation in `plain` on all others.

#[cfg(feature = "flex")]
mod flex;
#[cfg_attr(not(feature = "flex"), allow(dead_code, unused_imports))]
pub(crate) mod host;
mod plain;

use std::ops::Range;

use burn::tensor::Tensor;

use crate::Texts;

/// Returns the result of the kernel, or of the reference implementation if there is no kernel for these tensors.
macro_rules! kernel_or_plain {
    ($kernel:expr, $plain:expr) => {{
        #[cfg(feature = "flex")]
        if let Some(result) = $kernel {
            return result;
        }
        $plain
    }};
}

/// See [`plain::linear`].
pub(crate) fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    kernel_or_plain!(flex::linear(&x, &weight, bias.as_ref()), plain::linear(x, weight, bias))
}

/// See [`plain::layer_norm`].
pub(crate) fn layer_norm(x: Tensor<2>, scale: Tensor<1>, shift: Tensor<1>, epsilon: f64) -> Tensor<2> {
    kernel_or_plain!(flex::norm(&x, &scale, Some(&shift), epsilon), plain::layer_norm(x, scale, shift, epsilon))
}

/// See [`plain::rms_norm`].
pub(crate) fn rms_norm(x: Tensor<2>, scale: Tensor<1>, epsilon: f64) -> Tensor<2> {
    kernel_or_plain!(flex::norm(&x, &scale, None, epsilon), plain::rms_norm(x, scale, epsilon))
}

/// See [`plain::gelu_new`].
pub(crate) fn gelu_new(x: Tensor<2>) -> Tensor<2> {
    kernel_or_plain!(flex::gelu_new(&x), plain::gelu_new(x))
}

/// See [`plain::silu`].
pub(crate) fn silu(x: Tensor<2>) -> Tensor<2> {
    kernel_or_plain!(flex::silu(&x), plain::silu(x))
}

/// See [`plain::rotate`].
pub(crate) fn rotate(x: Tensor<2>, heads: usize, positions: &[usize], theta: f64) -> Tensor<2> {
    kernel_or_plain!(flex::rotate(&x, heads, positions, theta), plain::rotate(x, heads, positions, theta))
}

/// See [`plain::attention`]. With kernels, the queries may be those of `asked` positions of each text, in place of all.
pub(crate) fn attention(
    query: &Tensor<2>,
    key: &Tensor<2>,
    value: &Tensor<2>,
    texts: &Texts,
    asked: Option<&[Range<usize>]>,
    heads: [usize; 2],
) -> Tensor<2> {
    assert!(asked.is_none() || has_kernels(query), "without kernels, all queries are computed");
    kernel_or_plain!(
        flex::attention(query, key, value, spans(texts, asked), heads),
        plain::attention(query, key, value, texts, heads)
    )
}

/// Returns where keys and queries of each text are.
#[cfg(feature = "flex")]
fn spans(texts: &Texts, asked: Option<&[Range<usize>]>) -> Vec<host::Span> {
    match asked {
        Some(asked) => host::Span::of(texts.ranges(), asked.iter().cloned()),
        None => host::Span::of(texts.ranges(), texts.ranges().map(|range| 0..range.len())),
    }
}

/// True if there are kernels for a tensor.
pub(crate) fn has_kernels(tensor: &Tensor<2>) -> bool {
    #[cfg(feature = "flex")]
    return burn_pg::kernel::parts::Primitive::of(tensor.clone()).is_some();
    #[cfg(not(feature = "flex"))]
    return {
        let _ = tensor;
        false
    };
}

/// See [`plain::log_probs`].
pub(crate) fn log_probs(hidden: Tensor<2>, head: Tensor<2>, targets: &[u32]) -> Tensor<1> {
    kernel_or_plain!(flex::log_probs(&hidden, &head, targets), plain::log_probs(hidden, head, targets))
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::tensor::{DType, Device, Int, TensorData};
    use burn_pg::{device, device::DeviceChoice, envs::EnvRng};

    use super::*;

    fn random(rows: usize, width: usize, seed: u64, device: &Device) -> Tensor<2> {
        let mut rng = EnvRng::new(seed);
        let values: Vec<f64> = (0..rows * width).map(|_| rng.uniform(-2.0, 2.0)).collect();
        Tensor::from_data(TensorData::new(values, [rows, width]), (device, DType::F64)).require_grad()
    }

    fn values(tensor: Tensor<2>) -> Vec<f64> {
        tensor.into_data().iter::<f64>().collect()
    }

    /// Shorter and longer than what the kernel takes side by side and one after the other, and so are the heads.
    #[test]
    fn attention_of_any_length_and_width_is_that_of_its_plain_twin() {
        let device = device::open(DeviceChoice::Backend(burn_pg::device::Backend::Flex)).unwrap().device.autodiff();
        let texts: Texts = [1, 17, 70, 33, 2].map(|length| vec![0_u32; length]).into_iter().collect();
        let rows = texts.tokens().len();
        // The last third of each text, at least one position.
        let asked: Vec<_> = texts.ranges().map(|range| range.len() * 2 / 3..range.len()).collect();
        let of_asked: Vec<i64> = texts
            .ranges()
            .zip(&asked)
            .flat_map(|(range, asked)| range.start + asked.start..range.start + asked.end)
            .map(|row| i64::try_from(row).unwrap())
            .collect();
        let chosen = Tensor::<1, Int>::from_data(TensorData::from(&of_asked[..]), &device);
        for (heads, groups, width) in [(4, 2, 8), (2, 2, 40), (3, 1, 24), (2, 1, 64), (1, 1, 50)] {
            let inputs = || {
                [
                    random(rows, heads * width, 1, &device),
                    random(rows, groups * width, 2, &device),
                    random(rows, groups * width, 3, &device),
                ]
            };
            let factors = random(rows, heads * width, 4, &device).detach();
            let differentiated = |result: Tensor<2>, factors: Tensor<2>, inputs: &[Tensor<2>; 3]| {
                let gradients = (result.clone() * factors).sum().backward();
                let of_inputs = inputs.each_ref().map(|input| values(input.grad(&gradients).unwrap()));
                [&[values(result)], &of_inputs[..]].concat()
            };
            for of_part in [false, true] {
                let (ours, theirs) = (inputs(), inputs());
                let [query, key, value] = ours.each_ref();
                let of_query = if of_part { query.clone().select(0, chosen.clone()) } else { query.clone() };
                let positions = of_part.then_some(&asked[..]);
                let result = attention(&of_query, key, value, &texts, positions, [heads, groups]);
                let [query, key, value] = theirs.each_ref();
                let plain = plain::attention(query, key, value, &texts, [heads, groups]);
                let part = |of: Tensor<2>| if of_part { of.select(0, chosen.clone()) } else { of };
                let ours = differentiated(result, part(factors.clone()), &ours);
                let theirs = differentiated(part(plain), part(factors.clone()), &theirs);
                for (ours, theirs) in ours.iter().zip(&theirs) {
                    assert_eq!(ours.len(), theirs.len());
                    let error = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                    // Burn keeps the factors of some derivatives in single precision; the golden data of models hold the kernel to 1e-10.
                    assert!(error < 1e-6, "{heads} heads of {width}, {groups} groups: {error:e}");
                }
            }
        }
    }
}
