//! Whether environments run on the GPU.

use burn::tensor::Device;
use burn_pg_envs::EnvSpec;

use super::Recipe;
use crate::{
    config::CheckedConfig,
    policy::{Observation, Policy},
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
        let RolloutLength::Steps(num_steps) = self.length else {
            return Err(OffDevice::Config("rollouts are whole episodes"));
        };
        let gae = self.estimator.gae().ok_or(OffDevice::Config("the advantage estimator is not `gae`"))?;
        let reasons = [
            (!config.rollout.on_device, "`rollout.on_device` is false"),
            (config.env.normalize_observations, "observations are normalised"),
            (config.env.normalize_rewards, "rewards are normalised"),
            (has_reference, "there is a reference policy"),
        ];
        if let Some((_, reason)) = reasons.into_iter().find(|(holds, _)| *holds) {
            return Err(OffDevice::Config(reason));
        }
        #[cfg(feature = "cube")]
        {
            use crate::{
                kernel::cube::is_gpu,
                source::{DeviceSource, device_task},
            };
            if !is_gpu(device) {
                return Err(OffDevice::NoGpu);
            }
            let envs = device_task(spec).ok_or_else(|| OffDevice::Environment { env: spec.id.clone() })?;
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
}
