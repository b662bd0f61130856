//! Weights of a module in a `safetensors` file, which contains nothing executable.
//!
//! A tensor is named by its path in the module, such as `actor.layers.0.weight`, and stored in Burn's layout, so a
//! linear weight has shape `[inputs, outputs]`.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
};

use burn::{module::Module, tensor::DType};

use crate::storage::{
    durable::{refuse_other_than_file, write_atomically},
    tensors::{self, Tensors},
};

pub use crate::storage::tensors::TensorsError;

/// Why weights cannot be saved or loaded. The module is unchanged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The file cannot be written or read.
    #[error("{} cannot be read or written", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// The file is not in the `safetensors` format, its tensors do not fit the module, or the device failed.
    #[error("{}: {error}", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: TensorsError,
    },
}

/// Saves the float parameters of `module` in single precision. An existing file is replaced atomically.
///
/// # Errors
/// [`WeightsError::Io`] if the file cannot be written; [`WeightsError::Content`] if the device fails.
pub fn save<M: Module>(module: &M, path: &Path) -> Result<(), WeightsError> {
    write(module, path, None)
}

/// Saves a module as [`save`] does, together with a text that [`read_note`] returns.
pub(crate) fn save_with_note<M: Module>(module: &M, path: &Path, note: String) -> Result<(), WeightsError> {
    write(module, path, Some(HashMap::from([(NOTE.to_owned(), note)])))
}

/// Key of the note in the metadata of a file. There is only one key: the order of several keys would vary, and so would
/// the bytes of the file.
pub(crate) const NOTE: &str = "burn-pg";

fn write<M: Module>(module: &M, path: &Path, metadata: Option<HashMap<String, String>>) -> Result<(), WeightsError> {
    let file = in_single_precision(module).and_then(|tensors| tensors::to_bytes(&tensors, metadata));
    let file = file.map_err(|error| WeightsError::Content { path: path.into(), error })?;
    write_atomically(path, &file).map_err(|source| WeightsError::Io { path: path.into(), source })
}

/// Loads weights that [`save`] saved into a module of the same shape, on the device of the module.
///
/// # Errors
/// Any [`WeightsError`]: the names, shapes and types must be those of the module, and all elements finite.
pub fn load<M: Module>(module: M, path: &Path) -> Result<M, WeightsError> {
    let loaded = read(path)?;
    let placed = in_single_precision(&module).and_then(|expected| tensors::into_module(module, loaded, &expected));
    placed.map_err(|error| WeightsError::Content { path: path.into(), error })
}

/// Reads the tensors of a file without comparing them with a module.
pub(crate) fn read(path: &Path) -> Result<Tensors, WeightsError> {
    read_as(path, tensors::from_bytes)
}

/// Returns the text that [`save_with_note`] put into a file; `None` for a file of [`save`].
pub(crate) fn read_note(path: &Path) -> Result<Option<String>, WeightsError> {
    read_as(path, |file| tensors::metadata(file, NOTE))
}

fn read_as<T>(path: &Path, parse: impl FnOnce(&[u8]) -> Result<T, TensorsError>) -> Result<T, WeightsError> {
    let file = refuse_other_than_file(path).and_then(|()| fs::read(path));
    let file = file.map_err(|source| WeightsError::Io { path: path.into(), source })?;
    parse(&file).map_err(|error| WeightsError::Content { path: path.into(), error })
}

/// Returns the tensors of a module in single precision, as they are saved.
pub(crate) fn in_single_precision<M: Module>(module: &M) -> Result<Tensors, TensorsError> {
    let tensors = tensors::of_module(module)?.into_iter();
    Ok(tensors.map(|(name, data)| (name, data.convert_dtype(DType::F32))).collect())
}
