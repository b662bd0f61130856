//! Clipping by the global gradient norm.

use burn::tensor::Tensor;

use crate::kernel;

/// Scales the gradient of all parameters (shape `[P]`) so that its Euclidean norm is at most `max_norm`. All parameters
/// share one norm, so the direction stays the same. Returns the scaled gradient, and the norm before scaling (shape
/// `[1]`).
///
/// The factor is `min(1, max_norm / (norm + 1e-6))`, as in PyTorch's `clip_grad_norm_`. Nothing is read back from the
/// device.
#[must_use]
pub fn clip_global_norm(gradient: Tensor<1>, max_norm: f64) -> (Tensor<1>, Tensor<1>) {
    kernel::clip_global_norm(&gradient, max_norm).unwrap_or_else(|| {
        let norm = gradient.clone().square().sum().sqrt();
        // An infinite factor is not for the device: it may compute as if all numbers were finite.
        if max_norm.is_infinite() {
            return (gradient, norm);
        }
        let factor = norm.clone().add_scalar(1e-6).recip().mul_scalar(max_norm).clamp_max(1.0);
        (gradient * factor, norm)
    })
}
