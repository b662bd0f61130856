//! Environments by name.

use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use crate::{Env, EnvError, EnvOptions, EnvSpec, UnknownName, VecEnv, VectorEnv, classic};

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

/// Removes the environment called `id` from those that [`make`] knows. Returns false if there is none.
pub fn unregister(id: &str) -> bool {
    let mut registry = REGISTRY.write().unwrap_or_else(PoisonError::into_inner);
    let before = registry.len();
    registry.retain(|(known, _)| known.id != id);
    registry.len() < before
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
/// [`EnvError::Unknown`], with the most similar registered name; as [`spec_with`] for environments of Python.
pub fn spec(id: &str) -> Result<EnvSpec, EnvError> {
    spec_with(id, &EnvOptions::default())
}

/// Returns the specification of the environment called `id` if it is made with `options`. An environment of Python is
/// made for that.
///
/// # Errors
/// [`EnvError::Unknown`], with the most similar registered name; [`EnvError::Options`] if it takes no options;
/// [`EnvError::Python`] if it is one of Python and cannot be made.
pub fn spec_with(id: &str, options: &EnvOptions) -> Result<EnvSpec, EnvError> {
    match is_of_python(id) {
        true => of_python::spec(id, options),
        false => options.refuse(id).and_then(|()| entry_of(id)).map(|(spec, _)| spec),
    }
}

/// Creates a batch of `num_envs` environments called `id`.
///
/// # Errors
/// [`EnvError::Unknown`] (with the most similar registered name) and [`EnvError::NoEnvs`]; any error of a registered
/// closure, and [`EnvError::Spec`] or [`EnvError::BatchLen`] if it creates other environments than were registered.
pub fn make(id: &str, num_envs: usize) -> Result<Box<dyn VectorEnv>, EnvError> {
    make_with(id, num_envs, &EnvOptions::default())
}

/// Creates a batch of `num_envs` environments called `id` with `options`, which only environments of Python take.
///
/// # Errors
/// As [`make`]; [`EnvError::Options`] if the environments take no options; [`EnvError::Python`] if they are of Python
/// and cannot be made.
pub fn make_with(id: &str, num_envs: usize, options: &EnvOptions) -> Result<Box<dyn VectorEnv>, EnvError> {
    if is_of_python(id) {
        return of_python::make(id, num_envs, options);
    }
    options.refuse(id)?;
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

/// True for a name such as `gym:LunarLander-v3` that nobody has registered: [`make`] starts processes of Python for it.
#[must_use]
pub fn is_of_python(id: &str) -> bool {
    let prefixes = ["gym:", "envpool:", "ale:"];
    prefixes.iter().any(|prefix| id.starts_with(prefix)) && entry_of(id).is_err()
}

#[cfg(feature = "python")]
mod of_python {
    use std::sync::{Mutex, PoisonError};

    use crate::{EnvError, EnvOptions, EnvSpec, VectorEnv, python::PythonEnvs};

    /// Specifications that are known, because making an environment of Python takes about a second.
    static KNOWN: Mutex<Vec<EnvSpec>> = Mutex::new(Vec::new());

    pub fn spec(id: &str, options: &EnvOptions) -> Result<EnvSpec, EnvError> {
        let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known().iter().find(|spec| spec.id == id && spec.options == *options).cloned();
        if let Some(spec) = found {
            return Ok(spec);
        }
        let spec = PythonEnvs::describe(id, options)?;
        known().push(spec.clone());
        Ok(spec)
    }

    pub fn make(id: &str, num_envs: usize, options: &EnvOptions) -> Result<Box<dyn VectorEnv>, EnvError> {
        Ok(Box::new(PythonEnvs::new(id, num_envs, options)?))
    }
}

#[cfg(not(feature = "python"))]
mod of_python {
    use crate::{EnvError, EnvOptions, EnvSpec, VectorEnv};

    fn missing(id: &str) -> EnvError {
        EnvError::Python { id: id.into(), reason: "this program was built without the feature `python`".into() }
    }

    pub fn spec(id: &str, _: &EnvOptions) -> Result<EnvSpec, EnvError> {
        Err(missing(id))
    }

    pub fn make(id: &str, _: usize, _: &EnvOptions) -> Result<Box<dyn VectorEnv>, EnvError> {
        Err(missing(id))
    }
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
        let again =
            || register(EnvSpec { id: "Again-v0".into(), ..spec_of_cartpole() }, VecEnv::<classic::CartPole>::new);
        again().unwrap();
        assert!(again().is_err() && unregister("Again-v0") && !unregister("Again-v0") && again().is_ok());
    }
}
