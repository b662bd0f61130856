//! A part of a run as data.

use serde::{Serialize, de::DeserializeOwned};

use super::{Misfit, tensors::Tensors};

/// The state of a part of a run, to go on from: plain data as JSON, and tensors by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Saved {
    pub(crate) text: Vec<u8>,
    pub(crate) tensors: Tensors,
}

impl Saved {
    /// State with tensors. It is read once more, for JSON makes nothing of numbers that are not finite.
    ///
    /// # Errors
    /// [`Misfit::State`] if it cannot be written, or would not be read again.
    pub fn new<T: Serialize + DeserializeOwned>(state: &T, tensors: Tensors) -> Result<Self, Misfit> {
        let text = to_text(state).map_err(|error| Misfit::State { reason: error.to_string() })?;
        let saved = Self { text, tensors };
        saved.state::<T>()?;
        Ok(saved)
    }

    /// The state.
    ///
    /// # Errors
    /// [`Misfit::State`] if it is of another kind.
    pub fn state<T: DeserializeOwned>(&self) -> Result<T, Misfit> {
        serde_json::from_slice(&self.text).map_err(|error| Misfit::State { reason: error.to_string() })
    }

    /// The tensors by name.
    #[must_use]
    pub fn tensors(&self) -> &Tensors {
        &self.tensors
    }
}

/// A state as text, in memory that is just large enough: that of many environments is longer than all of their tensors.
pub(crate) fn to_text<T: Serialize>(state: &T) -> serde_json::Result<Vec<u8>> {
    let mut length = Length(0);
    serde_json::to_writer(&mut length, state)?;
    let mut text = Vec::with_capacity(length.0);
    serde_json::to_writer(&mut text, state)?;
    Ok(text)
}

/// Counts what is written, and keeps nothing.
struct Length(usize);

impl std::io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
