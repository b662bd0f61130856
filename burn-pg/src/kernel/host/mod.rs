//! Arithmetic on the host, on plain arrays.

mod network;
mod product;
mod real;
pub mod vector;

pub(crate) use network::{Network, Slopes, Trace};
pub(crate) use real::Real;
