//! Environments, rollouts and training on a GPU.

mod dynamics;
mod rollout;
mod training;

use burn::tensor::Device;

use crate::precision::open_devices;

/// Returns the GPUs of this machine, or software drivers that emulate one.
fn gpus() -> Vec<Device> {
    open_devices().into_iter().filter(|open| !open.backend.is_cpu()).map(|open| open.device).collect()
}
