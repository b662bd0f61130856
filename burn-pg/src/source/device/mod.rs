//! Environments on a GPU.

mod registry;
mod rollout;
mod source;

pub(crate) use registry::device_task;
pub use registry::{DeviceEnvs, register_device_env};
pub use source::DeviceSource;
