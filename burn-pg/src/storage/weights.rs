//! Weights of a module in a `safetensors` file: data only, nothing executable.
//!
//! Tensors are called by their path in the module, `actor.layers.0.weight`, and stored in Burn's layout, so a linear
//! weight is `[inputs, outputs]`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use burn::{module::Module, tensor::DType};

use crate::storage::{
    durable::{refuse_other_than_file, write_atomically},
    tensors::{self, Tensors},
};

pub use crate::storage::tensors::TensorsError;

/// Why weights cannot be saved or loaded. The module is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The file cannot be written or read.
    #[error("{} cannot be read or written", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// The file is not in the `safetensors` format, or holds other tensors than the module needs.
    #[error("{}: {error}", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: TensorsError,
    },
}

/// Saves the float parameters of `module` in single precision. A file that exists is replaced atomically.
///
/// # Errors
/// [`WeightsError::Io`] if the file cannot be written.
pub fn save<M: Module>(module: &M, path: &Path) -> Result<(), WeightsError> {
    let file = in_single_precision(module).and_then(|tensors| tensors::to_bytes(&tensors, None));
    let file = file.map_err(|error| WeightsError::Content { path: path.into(), error })?;
    write_atomically(path, &file).map_err(|source| WeightsError::Io { path: path.into(), source })
}

/// Loads what [`save`] has saved into a module of the same shape, on the module's device.
///
/// # Errors
/// Any [`WeightsError`]: the names, shapes and types must all be those of the module.
pub fn load<M: Module>(module: M, path: &Path) -> Result<M, WeightsError> {
    let loaded = read(path)?;
    let placed = in_single_precision(&module).and_then(|expected| tensors::into_module(module, loaded, &expected));
    placed.map_err(|error| WeightsError::Content { path: path.into(), error })
}

/// The tensors of a file, whatever they are for.
pub(crate) fn read(path: &Path) -> Result<Tensors, WeightsError> {
    let file = refuse_other_than_file(path).and_then(|()| fs::read(path));
    let file = file.map_err(|source| WeightsError::Io { path: path.into(), source })?;
    tensors::from_bytes(&file).map_err(|error| WeightsError::Content { path: path.into(), error })
}

/// The tensors of a module as they are saved.
pub(crate) fn in_single_precision<M: Module>(module: &M) -> Result<Tensors, TensorsError> {
    let tensors = tensors::of_module(module)?.into_iter();
    Ok(tensors.map(|(name, data)| (name, data.convert_dtype(DType::F32))).collect())
}
