//! What environments are made with besides their name.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::EnvError;

/// What environments are made with besides their name. Only environments of Python take any of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnvOptions {
    /// Arguments of the maker, such as those of `gymnasium.make`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub kwargs: Map<String, Value>,
    /// Wrappers around each environment, the innermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wrappers: Vec<EnvWrapper>,
    /// The Python interpreter: a path, or a name to be found on `PATH`. Default: `BURN_PG_PYTHON`, or else the
    /// interpreter of the virtual environment that is active or that this program is installed in, or else `python3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub python: Option<String>,
    /// Worker processes, at most one for each environment; environments that are vectorised in Python have one. Default:
    /// one for each core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<usize>,
    /// Seconds after which a step or a reset of a worker's environments counts as hanging. Default: 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
    /// File to which everything is appended that workers print. Default: a temporary file, which
    /// stays only if an error names it.
    #[serde(skip)]
    pub log: Option<PathBuf>,
    /// Make environments that can be rendered as pixels.
    #[serde(skip)]
    pub render: bool,
}

/// A wrapper of Python around an environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EnvWrapper {
    /// A class of `gymnasium.wrappers`, such as `GrayscaleObservation`, or of any module, such as `my.module:Wrapper`.
    Name(String),
    /// The same, with arguments.
    With {
        /// The class.
        name: String,
        /// Its arguments after the environment.
        #[serde(default)]
        kwargs: Map<String, Value>,
    },
}

impl EnvOptions {
    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Refuses all options, for environments that take none.
    pub(crate) fn refuse(&self, id: &str) -> Result<(), EnvError> {
        let given = [
            ("kwargs", !self.kwargs.is_empty()),
            ("wrappers", !self.wrappers.is_empty()),
            ("python", self.python.is_some()),
            ("workers", self.workers.is_some()),
            ("timeout", self.timeout.is_some()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            Some((option, _)) => Err(EnvError::Options { id: id.into(), option }),
            None => Ok(()),
        }
    }

    /// True if environments made with `other` are the same: only how they are run may differ.
    #[must_use]
    pub fn makes_the_same(&self, other: &Self) -> bool {
        self.kwargs == other.kwargs && self.wrappers == other.wrappers
    }
}
