//! The saved state of a part of a run.

use serde::{Serialize, de::DeserializeOwned};

use super::{Misfit, tensors::Tensors};

/// The saved state of a part of a run: plain data as JSON, and named tensors.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Saved {
    pub(crate) text: Vec<u8>,
    pub(crate) tensors: Tensors,
}

impl Saved {
    /// Creates saved state from `state` and `tensors`. Reads the JSON back as a check, because JSON cannot store values
    /// that are not finite.
    ///
    /// # Errors
    /// [`Misfit::State`] if the state cannot be written or cannot be read back.
    pub fn new<T: Serialize + DeserializeOwned>(state: &T, tensors: Tensors) -> Result<Self, Misfit> {
        let text = to_text(state).map_err(|error| Misfit::State { reason: error.to_string() })?;
        let saved = Self { text, tensors };
        saved.state::<T>()?;
        Ok(saved)
    }

    /// Returns the state.
    ///
    /// # Errors
    /// [`Misfit::State`] if the saved state is not a `T`.
    pub fn state<T: DeserializeOwned>(&self) -> Result<T, Misfit> {
        serde_json::from_slice(&self.text).map_err(|error| Misfit::State { reason: error.to_string() })
    }

    /// Returns the tensors by name.
    #[must_use]
    pub fn tensors(&self) -> &Tensors {
        &self.tensors
    }
}

/// Serialises a state as JSON. Measures the length first and allocates exactly that, because the state of many
/// environments can be larger than all tensors.
pub(crate) fn to_text<T: Serialize>(state: &T) -> serde_json::Result<Vec<u8>> {
    let mut length = Length(0);
    serde_json::to_writer(&mut length, state)?;
    let mut text = Vec::with_capacity(length.0);
    serde_json::to_writer(&mut text, state)?;
    Ok(text)
}

/// Counts the bytes written to it, and discards them.
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
