//! The conditions that figures must share to be compared in one report.

use serde::{Deserialize, Serialize};

use super::machine::Machine;

/// The program, the machine, and how much was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conditions {
    /// The version of burn-pg.
    pub version: String,
    /// The commit that burn-pg was built from, if it was built from a clone of its repository.
    pub commit: Option<String>,
    pub machine: Machine,
    /// True if only the smaller part of the figures is measured.
    pub quick: bool,
    /// The time for one device.
    pub seconds: u64,
}

impl Conditions {
    pub fn new(quick: bool, seconds: u64) -> Self {
        let commit = option_env!("BURN_PG_COMMIT").map(Into::into);
        Self { version: env!("CARGO_PKG_VERSION").into(), commit, machine: Machine::this(), quick, seconds }
    }

    /// Returns the version and the commit.
    pub fn program(&self) -> String {
        match &self.commit {
            None => format!("burn-pg {}", self.version),
            Some(commit) => format!("burn-pg {} (commit {})", self.version, commit.get(..10).unwrap_or(commit)),
        }
    }

    /// Describes how much was measured, as on the command line.
    pub fn amount(&self) -> String {
        format!("{}--seconds {}", if self.quick { "--quick " } else { "" }, self.seconds)
    }

    /// Returns the first difference to `earlier`, in words.
    pub fn difference(&self, earlier: &Self) -> Option<String> {
        let pairs = [
            (earlier.program(), self.program()),
            (earlier.machine.to_string(), self.machine.to_string()),
            (earlier.amount(), self.amount()),
        ];
        let (before, now) = pairs.into_iter().find(|(before, now)| before != now)?;
        Some(format!("it was measured with {before}, and this is {now}"))
    }
}
