//! Export of trained policies to other programs.
//!
//! A file contains everything from an observation, as the environment gives it, to the action that [`Agent::decide`]
//! returns: the normaliser, the networks, the choice of the most probable action, and the transform of continuous
//! actions (clipping to their bounds, or a hyperbolic tangent and rescaling).
//!
//! | format | function | content |
//! | --- | --- | --- |
//! | ONNX | [`onnx()`](onnx::model) | a graph that runs in onnxruntime and similar programs |
//! | safetensors | [`state_dict()`] | weights with PyTorch's layout and names, and metadata that says how they are connected |
//!
//! `docs/export.md` lists inputs, outputs and names, with example programs that read both formats.

mod metadata;
pub mod onnx;
mod plain;
mod state_dict;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use burn_pg_envs::UnknownName;

pub use plain::{
    Dense, Layers, PlainActions, PlainCell, PlainConv, PlainEncoder, PlainInput, PlainNetwork, PlainNormalizer,
    PlainPolicy, StandardDeviations,
};
pub use state_dict::state_dict;
pub(super) use {metadata::metadata, state_dict::KEY};

use crate::{Agent, Error, storage::durable::write_atomically};

/// An export format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Weights in PyTorch's layout.
    Safetensors,
    /// A graph that can be run.
    Onnx,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 2] = [Self::Safetensors, Self::Onnx];

    /// Returns the name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Onnx => "onnx",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let found = Self::ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| UnknownName::new("format", name, Self::ALL.map(Self::name)))
    }
}

/// Why an export cannot be written. Nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The file exists already.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// The file cannot be written.
    #[error("{} cannot be written", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
}

/// Exports an agent to the bytes of a file.
///
/// # Errors
/// [`Error::Execution`] if the device fails while weights are read.
pub fn bytes<P: Layers>(agent: &Agent<P>, format: Format) -> Result<Vec<u8>, Error> {
    let policy = PlainPolicy::new(agent)?;
    Ok(match format {
        Format::Safetensors => state_dict(&policy),
        Format::Onnx => prost::Message::encode_to_vec(&onnx::model(&policy)),
    })
}

/// Writes an export to `path` atomically: the file is complete or unchanged. `replace` says whether an existing file
/// may be replaced.
///
/// # Errors
/// [`ExportError`]; then nothing has been written.
pub fn write(bytes: &[u8], path: &Path, replace: bool) -> Result<(), ExportError> {
    if !replace && path.exists() {
        return Err(ExportError::Exists(path.into()));
    }
    write_atomically(path, bytes).map_err(|source| ExportError::Write { path: path.into(), source })
}
