//! The saved state of a batch of environments.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::StepBatch;
use crate::{EnvError, EnvSpec};

/// The saved state of a batch of environments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedEnvs {
    pub(crate) id: String,
    /// The state that the environments passed to [`new`](Self::new).
    state: Value,
    batch: StepBatch,
    /// The state of the wrappers around the environments, the innermost first.
    #[serde(default)]
    wrappers: Vec<Value>,
    /// True if the environments begin new episodes when they are loaded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    begins_anew: bool,
}

impl SavedEnvs {
    /// Saves environments of `spec`: their current batch, and `state`, which holds everything else that later steps
    /// depend on, including random generators.
    ///
    /// # Errors
    /// [`EnvError::State`] if the state cannot be written as JSON.
    pub fn new(spec: &EnvSpec, batch: &StepBatch, state: &impl Serialize) -> Result<Self, EnvError> {
        let state = serde_json::to_value(state).map_err(unusable)?;
        Ok(Self { id: spec.id.clone(), state, batch: batch.clone(), wrappers: Vec::new(), begins_anew: false })
    }

    /// Saves environments whose episodes cannot be saved, such as those of another process: they begin new ones when
    /// they are loaded. `state` is what that needs, such as seeds.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn beginning_anew(spec: &EnvSpec, state: &impl Serialize) -> Result<Self, EnvError> {
        Ok(Self { begins_anew: true, ..Self::new(spec, &StepBatch::default(), state)? })
    }

    /// True if the environments begin new episodes when they are loaded.
    #[must_use]
    pub fn begins_anew(&self) -> bool {
        self.begins_anew
    }

    /// Returns the state and the batch that were passed to [`new`](Self::new); the batch before the first reset, if they
    /// [begin anew](Self::beginning_anew).
    ///
    /// # Errors
    /// [`EnvError::State`] if the environments that saved it have another name or number, or the state is not a `T`.
    pub fn open<T: DeserializeOwned>(&self, spec: &EnvSpec, num_envs: usize) -> Result<(T, StepBatch), EnvError> {
        if self.id != spec.id {
            return Err(unusable(format!("it is that of `{}`, not of `{}`", self.id, spec.id)));
        }
        if !self.wrappers.is_empty() {
            return Err(unusable("it holds the state of a wrapper that is not there"));
        }
        if self.begins_anew {
            return Ok((T::deserialize(&self.state).map_err(unusable)?, StepBatch::new(spec, num_envs)));
        }
        let fits = self.batch.check(spec, num_envs);
        fits.map_err(|error| unusable(format!("it does not fit {num_envs} environments: {error}")))?;
        // Larger lengths could overflow, because they are incremented without a check.
        if self.batch.episode_lengths.iter().any(|&length| length > u32::MAX / 2) {
            return Err(unusable("it has counted more steps than there can be"));
        }
        Ok((T::deserialize(&self.state).map_err(unusable)?, self.batch.clone()))
    }

    /// Returns the state of environment `index` of a [`VecEnv`](crate::VecEnv): its [`Env::State`](crate::Env::State)
    /// as JSON. `None` if there is no such environment, or another type saved the state.
    #[must_use]
    pub fn state(&self, index: usize) -> Option<&Value> {
        self.state.get("slots")?.get(index)?.get("state")
    }

    /// Adds the state of one more wrapper around the environments.
    ///
    /// # Errors
    /// [`EnvError::State`] if the state cannot be written as JSON.
    pub fn wrapped(mut self, state: &impl Serialize) -> Result<Self, EnvError> {
        let state = serde_json::to_value(state).map_err(unusable)?;
        self.wrappers.push(state);
        Ok(self)
    }

    /// Returns the saved environments without their outermost wrapper, and the state of that wrapper.
    ///
    /// # Errors
    /// [`EnvError::State`] if there is no wrapper, or its state is not a `T`.
    pub fn unwrapped<T: DeserializeOwned>(&self) -> Result<(Self, T), EnvError> {
        let mut inner = self.clone();
        let Some(state) = inner.wrappers.pop() else {
            return Err(unusable("it lacks the state of a wrapper"));
        };
        let state = T::deserialize(state).map_err(unusable)?;
        Ok((inner, state))
    }
}

#[allow(clippy::needless_pass_by_value)] // so that it can be given to `map_err`
pub(super) fn unusable(reason: impl ToString) -> EnvError {
    EnvError::State { reason: reason.to_string() }
}
