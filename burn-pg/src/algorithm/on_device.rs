//! Whether environments run on the GPU.

use burn::tensor::Device;
use burn_pg_envs::EnvSpec;

use super::Recipe;
use crate::{
    advantage::Gae,
    config::CheckedConfig,
    device::Backend,
    policy::{Observation, Policy, reason},
    source::{EnvSource, OffDevice, RolloutLength},
};

impl Recipe {
    /// Returns the environments on the GPU, or why they stay on the host.
    pub(super) fn on_device<P: Policy<Observation = Observation>>(
        &self,
        spec: &EnvSpec,
        has_reference: bool,
        policy: &P,
        config: &CheckedConfig,
        device: &Device,
    ) -> Result<EnvSource<P>, OffDevice> {
        let (num_steps, gae) = self.served(has_reference, config)?;
        #[cfg(feature = "cube")]
        {
            use crate::{
                kernel::cube::is_gpu,
                source::{DeviceSource, device_task},
            };
            if !is_gpu(device) {
                return Err(OffDevice::NoGpu);
            }
            let envs = device_task(spec)?;
            let shape = [config.env.num_envs, num_steps];
            let source = DeviceSource::new(envs, shape, gae, policy, config.run.seed, device)?;
            Ok(EnvSource::Device(Box::new(source)))
        }
        #[cfg(not(feature = "cube"))]
        {
            let _ = (spec, policy, device, gae, num_steps);
            Err(OffDevice::NoGpu)
        }
    }

    /// Returns the number of steps of a rollout and the estimator, if environments on a GPU serve both and the rest of the
    /// configuration.
    fn served(&self, has_reference: bool, config: &CheckedConfig) -> Result<(usize, Gae), OffDevice> {
        let RolloutLength::Steps(num_steps) = self.length else {
            return Err(OffDevice::Config("rollouts are whole episodes"));
        };
        let gae = self.estimator.gae().ok_or(OffDevice::Config("the advantage estimator is not `gae`"))?;
        let reasons = [
            (!config.rollout.on_device, "`rollout.on_device` is false"),
            (config.rollout.overlap, "`rollout.overlap` is true"),
            (!self.ranks.is_alone(), "several ranks train together"),
            (config.env.normalize_observations, "observations are normalised"),
            (config.env.normalize_rewards, "rewards are normalised"),
            (config.algorithm.normalize_values(), "values are normalised"),
            (has_reference, "there is a reference policy"),
        ];
        match reasons.into_iter().find(|(holds, _)| *holds) {
            Some((_, reason)) => Err(OffDevice::Config(reason)),
            None => Ok((num_steps, gae)),
        }
    }
}

/// Returns why the environments of a configuration will stay on the host, if they will: what an
/// [`EnvSource`] will say, unless a network does not fit into the memory of a workgroup.
pub(crate) fn off_device(config: &CheckedConfig, spec: &EnvSpec, backend: Backend) -> Option<OffDevice> {
    let served = Recipe::of(config).ok()?.served(config.has_reference(), config);
    if let Err(reason) = served {
        return Some(reason);
    }
    if backend.is_cpu() {
        return Some(OffDevice::NoGpu);
    }
    #[cfg(feature = "cube")]
    if let Err(reason) = crate::source::device_task(spec) {
        return Some(reason);
    }
    #[cfg(not(feature = "cube"))]
    let _ = spec;
    match config.network() {
        Err(_) => Some(OffDevice::Policy(reason::OWN)),
        Ok(network) => network.beyond_kernels().map(OffDevice::Policy),
    }
}
