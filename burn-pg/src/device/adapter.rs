//! The hardware that a backend finds on this machine.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::Backend;
#[cfg(any(feature = "wgpu", feature = "cuda", feature = "rocm"))]
use super::probe::quietly;

/// A device that a backend finds: hardware, or a software driver that emulates it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adapter {
    /// The name that the driver reports. For a broken adapter, the reason if the driver gives one.
    pub name: String,
    /// The kind of the device.
    pub kind: AdapterKind,
}

/// The kind of an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AdapterKind {
    /// The CPU.
    Cpu,
    /// A GPU.
    Gpu,
    /// A software driver that emulates a GPU. `auto` never selects one.
    Software,
    /// The adapter is present but cannot be opened.
    Broken,
}

impl Adapter {
    pub(super) fn cpu() -> Self {
        Self { name: "CPU".into(), kind: AdapterKind::Cpu }
    }

    #[cfg(any(feature = "wgpu", feature = "cuda", feature = "rocm"))]
    pub(super) fn of(device: &Device) -> Self {
        match quietly(|| device.identity()) {
            Ok(Some(identity)) => Self {
                kind: if identity.physical.is_some() { AdapterKind::Gpu } else { AdapterKind::Software },
                name: identity.name,
            },
            Ok(None) => Self { name: format!("{device:?}"), kind: AdapterKind::Broken },
            Err(reason) => Self { name: reason, kind: AdapterKind::Broken },
        }
    }

    #[cfg(not(any(feature = "wgpu", feature = "cuda", feature = "rocm")))]
    pub(super) fn of(device: &Device) -> Self {
        unreachable!("{device:?}: no GPU backend was compiled in")
    }
}

impl Backend {
    /// Returns the adapters that this backend finds on this machine; none if it was not compiled in.
    ///
    /// A GPU has to be opened to learn its name, which can take a second.
    #[must_use]
    pub fn adapters(self) -> Vec<Adapter> {
        if self.is_cpu() {
            return vec![Adapter::cpu(); self.num_adapters()];
        }
        enumerate(self).iter().map(Adapter::of).collect()
    }

    /// Returns the number of [`adapters`](Self::adapters). Opens none of them.
    #[must_use]
    pub fn num_adapters(self) -> usize {
        if self.is_cpu() { usize::from(self.is_compiled()) } else { enumerate(self).len() }
    }
}

/// Returns the GPU devices of a backend.
pub(super) fn enumerate(backend: Backend) -> Vec<Device> {
    #[allow(unused_imports)] // by builds without a GPU backend
    use burn::tensor::DeviceType;
    match backend {
        #[cfg(feature = "cuda")]
        Backend::Cuda => Device::enumerate(DeviceType::Cuda).into_vec(),
        #[cfg(feature = "rocm")]
        Backend::Rocm => Device::enumerate(DeviceType::Rocm).into_vec(),
        #[cfg(feature = "metal")]
        Backend::Metal => Device::enumerate(DeviceType::Metal).into_vec(),
        #[cfg(feature = "vulkan")]
        Backend::Vulkan => Device::enumerate(DeviceType::Vulkan).into_vec(),
        #[cfg(feature = "wgpu")]
        Backend::Wgpu => Device::enumerate(DeviceType::Wgpu).into_vec(),
        #[cfg(feature = "webgpu")]
        Backend::WebGpu => Device::enumerate(DeviceType::WebGpu).into_vec(),
        _ => Vec::new(),
    }
}
