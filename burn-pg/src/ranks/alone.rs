//! One rank.

use super::{GradientSync, SyncError};

/// The only rank.
#[derive(Debug, Clone, Copy)]
pub struct Alone;

impl GradientSync for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn ranks(&self) -> usize {
        1
    }

    fn all_gather(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, SyncError> {
        Ok(vec![bytes.to_vec()])
    }
}
