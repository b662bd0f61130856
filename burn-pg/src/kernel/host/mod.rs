//! Arithmetic on plain arrays on the host.

mod network;
mod pool;
mod product;
mod real;
mod reduce;
mod tile;
pub mod vector;

pub(crate) use network::{Network, NetworkGradients, Workspace, held_elements, kept_bytes, tasks};
pub(crate) use real::Real;
pub(crate) use reduce::{dot, dot_product, mean, sum};
pub(crate) use vector::vectorised;
