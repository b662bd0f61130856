//! The environments of a program.

use burn_pg::envs::{self, Env, EnvError, EnvSpec, VecEnv, VectorEnv};

use crate::program;

/// Names the command that lists the environments in an error for an unknown one.
pub fn listed(error: EnvError) -> EnvError {
    match error {
        EnvError::Unknown(unknown) => unknown.listed_by(program::command("envs")).into(),
        other => other,
    }
}

/// Takes the environments that a program adds to those of burn-pg.
pub struct Registry(());

impl Registry {
    pub(crate) fn new() -> Self {
        Self(())
    }

    /// Adds an environment under the name in its specification. `make` creates one environment; a [`VecEnv`] makes a
    /// batch of them.
    ///
    /// # Errors
    /// [`EnvError::Registered`] if the name is taken; [`EnvError::Spec`] if the specification contradicts itself.
    pub fn add<E: Env + 'static>(&mut self, make: impl Fn() -> E + Send + Sync + 'static) -> Result<(), EnvError> {
        self.add_vector(make().spec(), move |num_envs| VecEnv::from_fn(num_envs, |_| make()))
    }

    /// Adds environments that are stepped as a batch, under the name in `spec`. `make` is called with their number.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn add_vector<V: VectorEnv + 'static>(
        &mut self,
        spec: EnvSpec,
        make: impl Fn(usize) -> Result<V, EnvError> + Send + Sync + 'static,
    ) -> Result<(), EnvError> {
        envs::register(spec, make)
    }
}
