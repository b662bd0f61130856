//! Amounts of memory.

use std::{
    fmt,
    iter::Sum,
    ops::{Add, Mul},
};

use serde::{Deserialize, Serialize};

/// A number of bytes. Sums and products saturate, so that a plan for too much memory never wraps to a small amount.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl Add for Bytes {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Mul<u64> for Bytes {
    type Output = Self;

    fn mul(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }
}

impl Sum for Bytes {
    fn sum<I: Iterator<Item = Self>>(bytes: I) -> Self {
        bytes.fold(Self::default(), Add::add)
    }
}

/// Formats in the largest unit that is not larger than the value: `1.5 MiB`.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        let (mut number, mut unit) = (self.0 as f64, "B");
        for larger in UNITS {
            // From 1023.95 the number would be rounded to 1024.0.
            if number < 1023.95 {
                break;
            }
            (number, unit) = (number / 1024.0, larger);
        }
        let decimals = usize::from(unit != "B");
        f.pad(&format!("{number:.decimals$} {unit}"))
    }
}
