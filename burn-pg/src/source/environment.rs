//! What a policy has to know of its environment.

use burn_pg_envs::{EnvSpec, VectorEnv};
use serde::{Deserialize, Serialize};

/// What a policy has to know of its environment to act in it, and a run stores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Name and spaces, without any wrapper.
    pub spec: EnvSpec,
    /// True if the environment says which actions are possible.
    pub masks_actions: bool,
}

impl Environment {
    /// Describes `envs`.
    #[must_use]
    pub fn of(envs: &dyn VectorEnv) -> Self {
        Self { spec: envs.spec().clone(), masks_actions: envs.spec().masks_actions }
    }
}
