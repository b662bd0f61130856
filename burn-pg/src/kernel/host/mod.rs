//! Arithmetic on plain arrays on the host.

mod activation;
mod blocks;
mod chain;
pub(crate) mod loss;
mod network;
mod normal;
mod normalize;
pub(crate) mod optim;
mod product;
mod real;
mod reduce;
mod softmax;
mod tile;
pub mod vector;

pub(crate) use blocks::{BLOCK, rows_of_task, tasks};
pub(crate) use chain::{Chain, Gradient, Layer, Trace};
pub(crate) use network::{Network, NetworkGradients, Workspace, backward, forward, held_elements, kept_bytes};
pub(crate) use normal::log_densities;
pub(crate) use normalize::normalize;
pub use product::{Affine, add_outer_products, add_rows};
pub use real::Real;
pub use reduce::{dot, lane_max, lane_sum};
pub(crate) use reduce::{dot_product, sum};
pub(crate) use softmax::Softmax;
pub(crate) use vector::vectorised;
