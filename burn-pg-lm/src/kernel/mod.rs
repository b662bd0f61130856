//! The operations of language models on ragged rows. On the `flex` backend they are kernels; every other backend takes the
//! operations of tensors in `plain`.

#[cfg(feature = "flex")]
mod flex;
#[cfg_attr(not(feature = "flex"), allow(dead_code, unused_imports))]
pub(crate) mod host;
mod plain;

use burn::tensor::Tensor;

use crate::Texts;

/// Returns what the kernel computes, or, if there is none for these tensors, the operations of tensors.
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
pub(crate) fn rotate(x: Tensor<2>, heads: usize, texts: &Texts, theta: f64) -> Tensor<2> {
    kernel_or_plain!(flex::rotate(&x, heads, texts, theta), plain::rotate(x, heads, texts, theta))
}

/// See [`plain::attention`].
pub(crate) fn attention(
    query: &Tensor<2>,
    key: &Tensor<2>,
    value: &Tensor<2>,
    texts: &Texts,
    heads: [usize; 2],
) -> Tensor<2> {
    kernel_or_plain!(
        flex::attention(query, key, value, texts, heads),
        plain::attention(query, key, value, texts, heads)
    )
}

/// See [`plain::log_probs`].
pub(crate) fn log_probs(hidden: Tensor<2>, head: Tensor<2>, targets: &[u32]) -> Tensor<1> {
    kernel_or_plain!(flex::log_probs(&hidden, &head, targets), plain::log_probs(hidden, head, targets))
}
