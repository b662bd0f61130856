//! Environments on a GPU by name.

use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use burn_pg_envs::{EnvError, EnvSpec, classic, device::DeviceTask};

use crate::{
    kernel::cube::{RolloutKernel, kernels_of},
    policy::reason,
    source::OffDevice,
};

/// An environment that runs on a GPU: its kernels and its specification.
#[derive(Clone)]
pub struct DeviceEnvs {
    pub(super) kernels: Arc<dyn RolloutKernel>,
    pub(super) spec: EnvSpec,
    /// Number of elements of a state.
    pub(super) state: usize,
}

impl DeviceEnvs {
    /// Returns the environment `E`.
    #[must_use]
    pub fn of<E: DeviceTask>() -> Self {
        Self { kernels: kernels_of::<E>(), spec: E::specification(), state: E::STATE }
    }
}

static REGISTRY: LazyLock<RwLock<Vec<DeviceEnvs>>> = LazyLock::new(|| {
    RwLock::new(vec![
        DeviceEnvs::of::<classic::CartPole>(),
        DeviceEnvs::of::<classic::Acrobot>(),
        DeviceEnvs::of::<classic::MountainCar>(),
        DeviceEnvs::of::<classic::MountainCarContinuous>(),
        DeviceEnvs::of::<classic::Pendulum>(),
    ])
});

/// Registers your own environment for GPUs under the name in its specification. Recipes use it if the environments on the host
/// have the same specification.
///
/// # Errors
/// [`EnvError::Registered`] if the name is taken; [`EnvError::Spec`] if the specification contradicts itself.
pub fn register_device_env<E: DeviceTask>() -> Result<(), EnvError> {
    let envs = DeviceEnvs::of::<E>();
    envs.spec.check()?;
    if envs.state == 0 {
        return Err(EnvError::Spec { id: envs.spec.id, reason: "its state has no elements".into() });
    }
    let mut registry = REGISTRY.write().unwrap_or_else(PoisonError::into_inner);
    if registry.iter().any(|known| known.spec.id == envs.spec.id) {
        return Err(EnvError::Registered { id: envs.spec.id });
    }
    registry.push(envs);
    Ok(())
}

/// Returns the environment for GPUs with this specification, if one is registered and served.
pub(crate) fn device_task(spec: &EnvSpec) -> Result<DeviceEnvs, OffDevice> {
    let registry = REGISTRY.read().unwrap_or_else(PoisonError::into_inner);
    let found = registry.iter().find(|known| known.spec == *spec).cloned();
    let found = found.ok_or_else(|| OffDevice::Environment { env: spec.id.clone() })?;
    if spec.masks_actions { Err(OffDevice::Policy(reason::MASKED)) } else { Ok(found) }
}
