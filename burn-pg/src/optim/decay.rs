//! Weight decay.

use burn::tensor::Tensor;

/// Returns the gradient after `weight_decay / 2 * |parameters|^2` is added to the loss. Shape `[P]`.
pub(super) fn add_weight_decay(gradient: Tensor<1>, parameters: &Tensor<1>, weight_decay: f64) -> Tensor<1> {
    match weight_decay == 0.0 {
        true => gradient,
        false => gradient + parameters.clone().mul_scalar(weight_decay),
    }
}
