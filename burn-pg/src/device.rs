//! Chooses a device at run time, among the backends that were compiled in.

mod adapter;
mod backend;
mod choice;
mod error;
mod failed;
pub(crate) mod memory;
#[cfg(any(feature = "wgpu", feature = "cuda", feature = "rocm"))]
mod probe;
pub(crate) mod readback;

use burn::tensor::{Device, DeviceKind};

use adapter::enumerate;
#[cfg(any(feature = "wgpu", feature = "cuda", feature = "rocm"))]
use {probe::quietly, readback::read_within};

pub use adapter::{Adapter, AdapterKind};
pub use backend::Backend;
pub use choice::DeviceChoice;
pub use error::DeviceError;
pub(crate) use error::Failed;
pub use failed::report_panics;
pub use readback::waits;

/// An opened device and its backend.
#[derive(Debug, Clone)]
pub struct OpenDevice {
    /// The backend.
    pub backend: Backend,
    /// The device, without autodiff.
    pub device: Device,
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
    if !backend.is_compiled() {
        return Err(DeviceError::NotCompiled { asked: backend, compiled: Backend::compiled() });
    }
    if !backend.is_cpu() && enumerate(backend).is_empty() {
        return Err(DeviceError::NoAdapter { asked: backend, usable: usable_besides(backend) });
    }
    let device = connect(backend)?;
    Ok(OpenDevice { backend, device })
}

/// Returns the compiled backends other than `backend` that find an adapter.
fn usable_besides(backend: Backend) -> Vec<Backend> {
    let finds_adapter = |other: &Backend| *other != backend && (other.is_cpu() || !enumerate(*other).is_empty());
    Backend::compiled().into_iter().filter(finds_adapter).collect()
}

#[allow(unused_variables, unreachable_code)] // in builds without a GPU backend, or without any
fn connect(backend: Backend) -> Result<Device, DeviceError> {
    let kind = DeviceKind::DefaultDevice;
    let device = match backend {
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
    };
    #[cfg(any(feature = "wgpu", feature = "cuda", feature = "rocm"))]
    if !backend.is_cpu() {
        // A driver without its compiler opens but fails at the first kernel, so one kernel is run here.
        let limit = std::time::Duration::from_mins(1);
        let kernel = || read_within(limit, burn::tensor::Tensor::<1>::ones([1], &device).add_scalar(1.0));
        let outcome = quietly(kernel).and_then(|read| read.map_err(|error| error.to_string()));
        outcome.map_err(|reason| DeviceError::Open { asked: backend, reason, usable: usable_besides(backend) })?;
    }
    Ok(device)
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
    fn auto_never_picks_a_software_driver() {
        let backend = auto().unwrap();
        assert!(backend.adapters().iter().any(|a| matches!(a.kind, AdapterKind::Cpu | AdapterKind::Gpu)));
    }
}
