//! Numbers of bytes.

use std::{
    fmt,
    iter::Sum,
    ops::{Add, Mul},
};

use serde::{Deserialize, Serialize};

/// A number of bytes. Sums and products that are too large stay at the largest number: a plan for more memory than there is
/// must not become one for less.
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

/// In the largest unit of which there is one: `1.5 MiB`.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        let (mut number, mut unit) = (self.0 as f64, "B");
        for larger in UNITS {
            // As it is rounded below.
            if number < 1023.95 {
                break;
            }
            (number, unit) = (number / 1024.0, larger);
        }
        let decimals = usize::from(unit != "B");
        f.pad(&format!("{number:.decimals$} {unit}"))
    }
}
