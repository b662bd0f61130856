//! Chooses a device at run time, among the backends that were compiled in.

mod adapter;
mod backend;
mod choice;
mod clock;
#[cfg(feature = "wgpu")]
mod driver;
mod error;
mod failed;
mod limit;
pub(crate) mod memory;
#[cfg(any(feature = "wgpu", feature = "cuda", feature = "rocm"))]
mod probe;
mod queue;
pub(crate) mod readback;

use burn::tensor::{Device, DeviceKind};

use adapter::enumerate;
#[cfg(any(feature = "wgpu", feature = "cuda", feature = "rocm"))]
use {probe::quietly, readback::read_within};

pub use adapter::{Adapter, AdapterKind};
pub use backend::Backend;
pub use choice::DeviceChoice;
pub use clock::device_time;
pub use error::DeviceError;
pub(crate) use error::Failed;
pub use failed::report_panics;
pub use limit::AdapterLimit;
pub(crate) use queue::Queue;
pub use readback::waits;

/// An opened device and its backend.
#[derive(Debug, Clone)]
pub struct OpenDevice {
    /// The backend.
    pub backend: Backend,
    /// The device, without autodiff.
    pub device: Device,
}

impl OpenDevice {
    /// Returns the hardware behind the device.
    #[must_use]
    pub fn adapter(&self) -> Adapter {
        if self.backend.is_cpu() { Adapter::cpu() } else { Adapter::of(&self.device) }
    }

    /// Returns the bytes of memory of the device, and of its largest buffer; `None` where they are not known. Both are `None`
    /// on the CPU.
    #[must_use]
    pub fn memory(&self) -> [Option<u64>; 2] {
        memory::of_device(&self.device)
    }

    /// Returns the graphics API and the driver of the device, such as `Vulkan, NVIDIA 570.86`. `None` if they are unknown,
    /// as on all backends that do not use wgpu.
    #[must_use]
    pub fn driver(&self) -> Option<String> {
        #[cfg(feature = "wgpu")]
        return driver::driver_of(self.backend, &self.device, &self.adapter().name);
        #[cfg(not(feature = "wgpu"))]
        None
    }
}

/// Returns the backend that [`DeviceChoice::Auto`] selects on this machine: the first compiled GPU backend that finds a
/// real GPU, otherwise the first compiled CPU backend.
///
/// # Errors
/// [`DeviceError::NoBackend`] if none was compiled in.
pub fn auto() -> Result<Backend, DeviceError> {
    let usable = |backend: &Backend| backend.is_cpu() || backend.adapters().iter().any(|a| a.kind == AdapterKind::Gpu);
    Backend::compiled().into_iter().find(usable).ok_or(DeviceError::NoBackend)
}

/// Opens a device. There is no fallback: if the requested backend is not available, the error lists the available ones.
///
/// # Errors
/// Any [`DeviceError`].
pub fn open(choice: DeviceChoice) -> Result<OpenDevice, DeviceError> {
    let backend = match choice {
        DeviceChoice::Auto => auto()?,
        DeviceChoice::Backend(backend) => backend,
    };
    check_adapters(backend)?;
    let device = default_device(backend)?;
    try_kernel(backend, &device)?;
    Ok(OpenDevice { backend, device })
}

/// Opens the adapter of `backend` with this index in [`Backend::adapters`].
///
/// # Errors
/// [`DeviceError::UnknownAdapter`] if there is no such adapter; other [`DeviceError`]s as for [`open`].
pub fn open_adapter(backend: Backend, index: usize) -> Result<OpenDevice, DeviceError> {
    check_adapters(backend)?;
    let device = match (backend.is_cpu(), index) {
        (true, 0) => Some(default_device(backend)?),
        (true, _) => None,
        (false, _) => enumerate(backend).into_iter().nth(index),
    };
    let Some(device) = device else {
        let known = backend.adapters().into_iter().map(|adapter| adapter.name).collect();
        return Err(DeviceError::UnknownAdapter { asked: backend, index, known });
    };
    try_kernel(backend, &device)?;
    Ok(OpenDevice { backend, device })
}

/// Checks that a backend is compiled in and finds an adapter.
fn check_adapters(backend: Backend) -> Result<(), DeviceError> {
    if !backend.is_compiled() {
        return Err(DeviceError::NotCompiled { asked: backend, compiled: Backend::compiled() });
    }
    if backend.num_adapters() == 0 {
        return Err(DeviceError::NoAdapter { asked: backend, usable: usable_besides(backend) });
    }
    Ok(())
}

/// Returns the compiled backends other than `backend` that find an adapter.
fn usable_besides(backend: Backend) -> Vec<Backend> {
    let finds_adapter = |other: &Backend| *other != backend && other.num_adapters() > 0;
    Backend::compiled().into_iter().filter(finds_adapter).collect()
}

/// Returns the device that a backend selects by itself.
#[allow(unused_variables, unreachable_code)] // in builds without a GPU backend, or without any
fn default_device(backend: Backend) -> Result<Device, DeviceError> {
    let kind = DeviceKind::DefaultDevice;
    Ok(match backend {
        #[cfg(feature = "flex")]
        Backend::Flex => Device::flex(),
        #[cfg(feature = "ndarray")]
        #[allow(deprecated)] // on request, see docs/adr/0002-devices.md
        Backend::NdArray => Device::ndarray(),
        #[cfg(feature = "cuda")]
        Backend::Cuda => Device::cuda(burn::tensor::DeviceIndex::Default),
        #[cfg(feature = "rocm")]
        Backend::Rocm => Device::rocm(burn::tensor::DeviceIndex::Default),
        #[cfg(feature = "metal")]
        Backend::Metal => Device::metal(kind),
        #[cfg(feature = "vulkan")]
        Backend::Vulkan => Device::vulkan(kind),
        #[cfg(feature = "webgpu")]
        Backend::WebGpu => Device::webgpu(kind),
        #[cfg(feature = "wgpu")]
        Backend::Wgpu => Device::wgpu(kind),
        asked => return Err(DeviceError::NotCompiled { asked, compiled: Backend::compiled() }),
    })
}

/// Runs one kernel on a GPU: a driver without its compiler opens but fails at the first kernel.
#[allow(unused_variables, clippy::unnecessary_wraps)] // in builds without a GPU backend
fn try_kernel(backend: Backend, device: &Device) -> Result<(), DeviceError> {
    #[cfg(any(feature = "wgpu", feature = "cuda", feature = "rocm"))]
    if !backend.is_cpu() {
        let limit = std::time::Duration::from_mins(1);
        let kernel = || read_within(limit, burn::tensor::Tensor::<1>::ones([1], device).add_scalar(1.0));
        let outcome = quietly(kernel).and_then(|read| read.map_err(|error| error.to_string()));
        outcome.map_err(|reason| DeviceError::Open { asked: backend, reason, usable: usable_besides(backend) })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{error::list, *};

    #[test]
    fn opening_a_backend_that_is_not_compiled_in_lists_the_compiled_ones() {
        for asked in Backend::ALL.into_iter().filter(|b| !b.is_compiled()) {
            let error = open(DeviceChoice::Backend(asked)).unwrap_err();
            let compiled = Backend::compiled();
            assert_eq!(error, DeviceError::NotCompiled { asked, compiled });
            assert!(error.to_string().contains(&format!("this build has: {}", list(&Backend::compiled()))));
        }
    }

    #[test]
    fn every_compiled_backend_opens_or_reports_that_it_has_no_adapter() {
        for asked in Backend::compiled() {
            match open(DeviceChoice::Backend(asked)) {
                Ok(open) => assert_eq!(open.backend, asked),
                Err(DeviceError::NoAdapter { asked: named, usable }) => {
                    assert_eq!(named, asked);
                    assert!(!asked.is_cpu() && !usable.contains(&asked));
                }
                Err(other) => panic!("{other}"),
            }
        }
    }

    #[test]
    fn every_adapter_opens_by_its_index_and_an_unknown_index_lists_them() {
        for backend in Backend::compiled().into_iter().filter(|backend| backend.num_adapters() > 0) {
            let adapters = backend.adapters();
            assert_eq!(adapters.len(), backend.num_adapters());
            for (index, adapter) in adapters.iter().enumerate().filter(|(_, a)| a.kind != AdapterKind::Broken) {
                assert_eq!(open_adapter(backend, index).unwrap().adapter(), *adapter);
            }
            let error = open_adapter(backend, adapters.len()).unwrap_err().to_string();
            let expected =
                format!("device `{backend}` has no adapter {}; it has: 0 ({})", adapters.len(), adapters[0].name);
            assert!(error.starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn auto_never_picks_a_software_driver() {
        let backend = auto().unwrap();
        assert!(backend.adapters().iter().any(|a| matches!(a.kind, AdapterKind::Cpu | AdapterKind::Gpu)));
    }
}
