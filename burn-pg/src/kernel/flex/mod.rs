//! Kernels of the `flex` backend. Each of them gives nothing if a tensor is not one of that backend, or is of a float type
//! that there is no kernel for.

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

pub use categorical::{entropy as categorical_entropy, log_prob as categorical_log_prob};
pub use gaussian::{entropy as gaussian_entropy, log_prob as gaussian_log_prob};
pub use normalize::normalize;
pub use optim::{adam_step, clip_global_norm};
pub use perceptron::perceptron;
pub use ppo_clip::clipped_surrogate;
pub use primitive::{on_host, whole};
pub use value::value_error;
pub use weighted::{weighted_means, weighted_total};
