//! The hardware that a backend finds on this machine.

use burn::tensor::Device;
use serde::Serialize;

use super::Backend;
#[cfg(any(feature = "wgpu", feature = "cuda", feature = "rocm"))]
use super::probe::quietly;

/// A piece of hardware, or something that stands in for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Adapter {
    /// What it calls itself.
    pub name: String,
    /// What it is.
    pub kind: AdapterKind,
}

/// What an adapter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AdapterKind {
    /// The processor itself.
    Cpu,
    /// A graphics card.
    Gpu,
    /// A software driver that stands in for a graphics card. `auto` never picks one.
    Software,
    /// There, but it cannot be opened.
    Broken,
}

impl Adapter {
    #[cfg(any(feature = "wgpu", feature = "cuda", feature = "rocm"))]
    fn of(device: &Device) -> Self {
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
    fn of(device: &Device) -> Self {
        unreachable!("{device:?}: no GPU backend was compiled in")
    }
}

impl Backend {
    /// The adapters this backend finds on this machine; empty if it was not compiled in.
    ///
    /// A GPU has to be opened to learn its name, which can take a second.
    #[must_use]
    pub fn adapters(self) -> Vec<Adapter> {
        if self.is_cpu() {
            let name = "CPU".into();
            return vec![Adapter { name, kind: AdapterKind::Cpu }; usize::from(self.is_compiled())];
        }
        enumerate(self).iter().map(Adapter::of).collect()
    }
}

/// The GPU devices of one backend.
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
