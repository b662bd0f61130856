//! Environments by name.

use crate::{Env, EnvError, EnvSpec, UnknownName, VecEnv, VectorEnv, classic};

type Make = fn(usize) -> Result<Box<dyn VectorEnv>, EnvError>;

/// Name and maker of every environment.
fn registered() -> [(EnvSpec, Make); 1] {
    [entry::<classic::CartPole>()]
}

fn entry<E: Env + Default + 'static>() -> (EnvSpec, Make) {
    (E::spec(), |num_envs| Ok(Box::new(VecEnv::<E>::new(num_envs)?)))
}

/// The specifications of all registered environments.
#[must_use]
pub fn specs() -> Vec<EnvSpec> {
    registered().map(|(spec, _)| spec).into()
}

/// The specification of the environment called `id`.
///
/// # Errors
/// [`EnvError::Unknown`], with the nearest name there is.
pub fn spec(id: &str) -> Result<EnvSpec, EnvError> {
    entry_of(id).map(|(spec, _)| spec)
}

/// Makes a batch of `num_envs` copies of the environment called `id`.
///
/// # Errors
/// [`EnvError::Unknown`] (with the nearest name there is) and [`EnvError::NoEnvs`].
pub fn make(id: &str, num_envs: usize) -> Result<Box<dyn VectorEnv>, EnvError> {
    entry_of(id).and_then(|(_, make)| make(num_envs))
}

fn entry_of(id: &str) -> Result<(EnvSpec, Make), EnvError> {
    let entries = registered();
    let known = entries.each_ref().map(|(spec, _)| spec.id.clone());
    entries.into_iter().find(|(spec, _)| spec.id == id).ok_or_else(|| UnknownName::new("environment", id, known).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        let error = make("cartpole-v0", 1).err().unwrap();
        assert!(error.to_string().contains("did you mean `CartPole-v1`"), "{error}");
        assert_eq!(spec("CartPole-v1").unwrap().max_episode_steps, Some(500));
    }

    #[test]
    fn zero_environments_are_refused() {
        assert_eq!(make("CartPole-v1", 0).err(), Some(EnvError::NoEnvs));
    }
}
