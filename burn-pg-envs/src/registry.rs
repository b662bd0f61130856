//! Environments by name.

use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use crate::{Env, EnvError, EnvSpec, UnknownName, VecEnv, VectorEnv, classic};

type Make = Arc<dyn Fn(usize) -> Result<Box<dyn VectorEnv>, EnvError> + Send + Sync>;

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
    (E::default().spec(), Arc::new(|num_envs| Ok(Box::new(VecEnv::<E>::new(num_envs)?))))
}

/// Registers your own environments under the name in `spec`. [`make`] calls the closure with the number of
/// environments.
///
/// ```
/// use burn_pg_envs::{Env, EnvSpec, VecEnv, classic::CartPole, make, register};
///
/// let book = CartPole { sutton_barto_reward: true, ..CartPole::default() };
/// let spec = EnvSpec { id: "BookCartPole-v0".into(), ..book.spec() };
/// register(spec, move |num_envs| Ok(VecEnv::from_fn(num_envs, |_| book)?.named("BookCartPole-v0")))?;
/// assert_eq!(make("BookCartPole-v0", 8)?.num_envs(), 8);
/// # Ok::<(), burn_pg_envs::EnvError>(())
/// ```
///
/// # Errors
/// [`EnvError::Registered`] if the name is taken; [`EnvError::Spec`] if the specification contradicts itself.
pub fn register<V: VectorEnv + 'static>(
    spec: EnvSpec,
    make: impl Fn(usize) -> Result<V, EnvError> + Send + Sync + 'static,
) -> Result<(), EnvError> {
    add(spec, Arc::new(move |num_envs| Ok(Box::new(make(num_envs)?))))
}

/// Registers your own environment under the name in its specification. [`make`] creates a [`VecEnv`] of default
/// instances.
///
/// # Errors
/// As [`register`].
pub fn register_env<E: Env + Default + 'static>() -> Result<(), EnvError> {
    let (spec, make) = entry::<E>();
    add(spec, make)
}

fn add(spec: EnvSpec, make: Make) -> Result<(), EnvError> {
    spec.check()?;
    let mut registry = REGISTRY.write().unwrap_or_else(PoisonError::into_inner);
    if registry.iter().any(|(known, _)| known.id == spec.id) {
        return Err(EnvError::Registered { id: spec.id });
    }
    registry.push((spec, make));
    Ok(())
}

/// Returns the specifications of all registered environments.
#[must_use]
pub fn specs() -> Vec<EnvSpec> {
    let registry = REGISTRY.read().unwrap_or_else(PoisonError::into_inner);
    registry.iter().map(|(spec, _)| spec.clone()).collect()
}

/// Returns the specification of the environment called `id`.
///
/// # Errors
/// [`EnvError::Unknown`], with the most similar registered name.
pub fn spec(id: &str) -> Result<EnvSpec, EnvError> {
    entry_of(id).map(|(spec, _)| spec)
}

/// Creates a batch of `num_envs` environments called `id`.
///
/// # Errors
/// [`EnvError::Unknown`] (with the most similar registered name) and [`EnvError::NoEnvs`]; any error of a registered
/// closure, and [`EnvError::Spec`] or [`EnvError::BatchLen`] if it creates other environments than were registered.
pub fn make(id: &str, num_envs: usize) -> Result<Box<dyn VectorEnv>, EnvError> {
    // The lock is not held here: a closure may make other registered environments.
    let (spec, make) = entry_of(id)?;
    if num_envs == 0 {
        return Err(EnvError::NoEnvs);
    }
    let envs = make(num_envs)?;
    if let Some((what, registered, made)) = spec.difference(envs.spec()) {
        let reason = format!("its {what} was registered as {registered}, but its maker makes {made}");
        return Err(EnvError::Spec { id: spec.id, reason });
    }
    envs.batch().check(&spec, num_envs)?;
    Ok(envs)
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
    fn a_maker_that_makes_another_environment_is_refused() {
        let spec = EnvSpec::new("Other-v0", crate::Space::symmetric(&[1.0]), crate::Space::discrete(2));
        register(spec, VecEnv::<classic::CartPole>::new).unwrap();
        let named = "its name was registered as Other-v0, but its maker makes CartPole-v1";
        assert!(make("Other-v0", 2).err().unwrap().to_string().contains(named));
        let spec = EnvSpec { id: "Fewer-v0".into(), ..spec_of_cartpole() };
        register(spec, |_| Ok(VecEnv::<classic::CartPole>::new(3)?.named("Fewer-v0"))).unwrap();
        assert!(matches!(make("Fewer-v0", 2).err(), Some(EnvError::BatchLen { given: 3, expected: 2, .. })));
        assert!(make("Fewer-v0", 3).is_ok());
    }

    fn spec_of_cartpole() -> EnvSpec {
        classic::CartPole::default().spec()
    }

    #[test]
    fn a_name_is_registered_once() {
        let error = register_env::<classic::CartPole>().unwrap_err();
        assert_eq!(error, EnvError::Registered { id: "CartPole-v1".into() });
    }
}
