//! Environments on a GPU.

mod check;
mod registry;
mod rollout;
mod source;

pub use check::{DeviceCheckError, DeviceDifference, check_device_env};
pub(crate) use registry::device_task;
pub use registry::{DeviceEnvs, register_device_env};
pub use source::DeviceSource;
