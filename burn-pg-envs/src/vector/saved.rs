//! Saved batches.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Autoreset, StepBatch, slot::Progress};
use crate::EnvError;

/// The state of a batch of environments, as plain data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedEnvs {
    pub(super) id: String,
    pub(super) autoreset: Autoreset,
    pub(super) time_limit: Option<u32>,
    pub(super) slots: Vec<SavedSlot>,
    pub(super) batch: StepBatch,
    /// The state of the wrappers around the environments, the innermost first.
    #[serde(default)]
    pub(super) wrappers: Vec<serde_json::Value>,
}

/// The state of one environment of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SavedSlot {
    pub state: serde_json::Value,
    #[serde(flatten)]
    pub progress: Progress,
}

impl SavedEnvs {
    /// The state of environment `index` itself, as its [`Env::State`](crate::Env::State) is written.
    #[must_use]
    pub fn state(&self, index: usize) -> Option<&serde_json::Value> {
        self.slots.get(index).map(|slot| &slot.state)
    }

    /// With the state of one more wrapper around it.
    ///
    /// # Errors
    /// [`EnvError::State`] if the state cannot be written as JSON.
    pub fn wrapped(mut self, state: &impl Serialize) -> Result<Self, EnvError> {
        let state = serde_json::to_value(state).map_err(|error| EnvError::State { reason: error.to_string() })?;
        self.wrappers.push(state);
        Ok(self)
    }

    /// Without the outermost wrapper, and the state of that.
    ///
    /// # Errors
    /// [`EnvError::State`] if there is none, or it is of another kind.
    pub fn unwrapped<T: DeserializeOwned>(&self) -> Result<(Self, T), EnvError> {
        let mut inner = self.clone();
        let Some(state) = inner.wrappers.pop() else {
            return Err(EnvError::State { reason: "it lacks the state of a wrapper".into() });
        };
        let state = T::deserialize(state).map_err(|error| EnvError::State { reason: error.to_string() })?;
        Ok((inner, state))
    }
}
