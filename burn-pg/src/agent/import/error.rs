//! The error for files whose policy cannot be imported.

use std::{io, path::PathBuf};

/// Why a policy cannot be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read, or is not a regular file.
    #[error("{} cannot be read", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// The file is `policy.safetensors` of a run, which has another layout and lacks the normaliser.
    #[error("{} is a file of a run directory; give the directory, or a file that `export` has written", .0.display())]
    OfRun(PathBuf),
    /// Tensors of the policy are missing, or there are others.
    #[error(
        "{}: not {what}: missing [{}], unexpected [{}]", .path.display(), .missing.join(", "), .unexpected.join(", ")
    )]
    Names {
        /// The file.
        path: PathBuf,
        /// The kind of policy that the file was read as.
        what: &'static str,
        /// Missing tensors.
        missing: Vec<String>,
        /// Tensors that such a policy does not have.
        unexpected: Vec<String>,
    },
    /// A tensor has another type or shape.
    #[error("{}: tensor `{name}` is {found}; it must be {expected} for {env}", .path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// Name of the tensor.
        name: String,
        /// Its type and shape.
        found: String,
        /// The type and shape that fit the previous layer or the environment.
        expected: String,
        /// The environment.
        env: String,
    },
    /// The metadata of the file or the bounds of its actions do not fit the environment and the networks.
    #[error("{}: `{key}` is {found}; it must be {expected}", .path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The key of the metadata, or the tensor of the bounds.
        key: String,
        /// The value in the file.
        found: String,
        /// The expected value.
        expected: String,
    },
    /// Actor and critic have hidden layers of different widths, which the configuration cannot express.
    #[error("{}: the hidden layers of policy_net are {policy:?} wide, those of value_net {value:?}", .path.display())]
    Widths {
        /// The file.
        path: PathBuf,
        /// Widths of the actor's hidden layers.
        policy: Vec<usize>,
        /// Widths of the critic's hidden layers.
        value: Vec<usize>,
    },
}
