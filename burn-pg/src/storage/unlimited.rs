//! Limits that may be infinite, for use with `#[serde(with = "unlimited")]`: `none` for no limit, or the number.

use serde::{Deserializer, Serializer};

use super::optional;

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature that serde calls
pub fn serialize<S: Serializer>(limit: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    optional::serialize(&Some(*limit).filter(|limit| *limit != f64::INFINITY), serializer)
}

/// Reads `inf` too.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    optional::deserialize(deserializer).map(|limit| limit.unwrap_or(f64::INFINITY))
}
