//! Why rollouts are collected on the host.

use serde::{Serialize, Serializer};

use crate::device::AdapterLimit;

/// Why rollouts are collected on the host, step by step, although the policy may be on a GPU.
///
/// On a GPU, a `DeviceSource` takes all environments through many steps in one kernel, and values,
/// bootstraps and advantages are computed there too. It serves
///
/// - environments for GPUs (`register_device_env`): the five classic tasks, and those that a program registers, without
///   action masks;
/// - [policies](crate::policy::Policy::perceptrons) of perceptrons with a critic;
/// - rollouts of a fixed number of steps with [`Gae`](crate::advantage::Gae), without a reference policy, and without
///   normalised observations, rewards and values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OffDevice {
    /// The device is not a GPU.
    #[error("the device is not a GPU")]
    NoGpu,
    /// The environment has no form for GPUs.
    #[error("`{env}` has no form for GPUs")]
    Environment {
        /// The name of the environment.
        env: String,
    },
    /// The policy is not served, for this reason.
    #[error("{0}")]
    Policy(&'static str),
    /// The configuration is not served, for this reason.
    #[error("{0}")]
    Config(&'static str),
    /// The kernels for the policy exceed a limit of the adapter.
    #[error(transparent)]
    Adapter(#[from] AdapterLimit),
    /// A rollout is larger than the largest buffer of the adapter. A [recipe](crate::algorithm::Recipe) refuses such a run, because
    /// the batch would not fit either.
    #[error(
        "a rollout needs a buffer of {needed} bytes, but the adapter has at most {available}; lower `num_envs` or `num_steps`"
    )]
    Buffer {
        /// Bytes of the largest buffer.
        needed: u64,
        /// Bytes of the largest buffer that the adapter offers.
        available: u64,
    },
    /// A rollout is larger than the memory of the device, which refuses the run in the same way.
    #[error("a rollout needs {needed} bytes on the device, which has {available}; lower `num_envs` or `num_steps`")]
    DeviceMemory {
        /// Bytes of the rollout.
        needed: u64,
        /// Bytes that the driver says the device can hold.
        available: u64,
    },
}

/// Writes the reason as a string.
impl Serialize for OffDevice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
