//! Kernels of the `flex` backend. A kernel returns `None` for tensors of other backends, and of float types without a
//! kernel.

mod categorical;
mod gaussian;
mod normalize;
mod optim;
mod perceptron;
mod ppo_clip;
mod primitive;
mod rows;
mod value;
mod weighted;

pub use primitive::{Primitive, Stored, record};

use super::operations::Table;

/// The kernels of this backend.
pub(super) const TABLE: Table = Table {
    perceptron_kernel: Some(perceptron::perceptron),
    categorical_log_prob: Some(categorical::log_prob),
    categorical_entropy: Some(categorical::entropy),
    gaussian_log_prob: Some(gaussian::log_prob),
    gaussian_entropy: Some(gaussian::entropy),
    clipped_surrogate_kernel: Some(ppo_clip::clipped_surrogate),
    value_error_kernel: Some(value::value_error),
    weighted_total_kernel: Some(weighted::weighted_total),
    weighted_sums_kernel: Some(weighted::weighted_sums),
    normalize: Some(normalize::normalize),
    clip_global_norm: Some(optim::clip_global_norm),
    adam_step: Some(optim::adam_step),
    join_slices: Some(primitive::join_slices),
    copy_to_host: Some(primitive::copy_to_host),
};
