//! Environments by name.

use std::sync::{LazyLock, PoisonError, RwLock};

use crate::{Env, EnvError, EnvSpec, UnknownName, VecEnv, VectorEnv, classic};

type Make = fn(usize) -> Result<Box<dyn VectorEnv>, EnvError>;

/// Specification and maker of every environment, in the order in which they were registered.
static REGISTRY: LazyLock<RwLock<Vec<(EnvSpec, Make)>>> = LazyLock::new(|| {
    RwLock::new(vec![
        entry::<classic::CartPole>(),
        entry::<classic::Acrobot>(),
        entry::<classic::MountainCar>(),
        entry::<classic::MountainCarContinuous>(),
        entry::<classic::Pendulum>(),
    ])
});

fn entry<E: Env + Default + 'static>() -> (EnvSpec, Make) {
    (E::spec(), |num_envs| Ok(Box::new(VecEnv::<E>::new(num_envs)?)))
}

/// Makes an environment of your own known by the name in its specification.
///
/// # Errors
/// [`EnvError::Registered`] if the name is taken; [`EnvError::Spec`] if the specification contradicts itself.
pub fn register<E: Env + Default + 'static>() -> Result<(), EnvError> {
    // Before the lock is taken: a specification may be made from a registered one.
    let (spec, make) = entry::<E>();
    spec.check()?;
    let mut registry = REGISTRY.write().unwrap_or_else(PoisonError::into_inner);
    if registry.iter().any(|(known, _)| known.id == spec.id) {
        return Err(EnvError::Registered { id: spec.id });
    }
    registry.push((spec, make));
    Ok(())
}

/// The specifications of all registered environments.
#[must_use]
pub fn specs() -> Vec<EnvSpec> {
    let registry = REGISTRY.read().unwrap_or_else(PoisonError::into_inner);
    registry.iter().map(|(spec, _)| spec.clone()).collect()
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
    let registry = REGISTRY.read().unwrap_or_else(PoisonError::into_inner);
    let found = registry.iter().find(|(spec, _)| spec.id == id).cloned();
    let known = registry.iter().map(|(spec, _)| spec.id.clone());
    found.ok_or_else(|| UnknownName::new("environment", id, known).into())
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

    #[test]
    fn a_name_is_given_once() {
        let error = register::<classic::CartPole>().unwrap_err();
        assert_eq!(error, EnvError::Registered { id: "CartPole-v1".into() });
    }
}
