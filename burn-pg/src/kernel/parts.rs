//! What kernels of other crates of this workspace are made from. It may change in any version.

pub use pulp;

#[cfg(feature = "flex")]
pub use super::flex::{Primitive, Stored, record};
pub use super::{
    host::{Affine, Real, add_outer_products, add_rows, dot, lane_max, lane_sum},
    threads::{for_each, map, map_alone},
};
