//! Choosing a device at run time, among the backends that were compiled in.

use std::{fmt, str::FromStr};

use burn::tensor::{Device, DeviceKind};
use burn_pg_envs::UnknownName;
use serde::{Deserialize, Serialize};

/// A backend of Burn. Each is a Cargo feature of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// NVIDIA GPUs.
    Cuda,
    /// AMD GPUs.
    Rocm,
    /// GPUs of Apple, through Metal.
    Metal,
    /// GPUs of any vendor, through Vulkan.
    Vulkan,
    /// GPUs of any vendor, through whichever graphics API the system offers.
    Wgpu,
    /// The browser's GPU interface; finds nothing outside a browser.
    WebGpu,
    /// The CPU, in pure Rust. The default.
    Flex,
    /// The CPU, through the `ndarray` crate; deprecated upstream in favour of `flex`.
    NdArray,
}

impl Backend {
    /// Every backend, in the order in which `auto` prefers them.
    pub const ALL: [Self; 8] =
        [Self::Cuda, Self::Rocm, Self::Metal, Self::Vulkan, Self::Wgpu, Self::WebGpu, Self::Flex, Self::NdArray];

    /// Its name on the command line, in configurations, and as a Cargo feature.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cuda => "cuda",
            Self::Rocm => "rocm",
            Self::Metal => "metal",
            Self::Vulkan => "vulkan",
            Self::Wgpu => "wgpu",
            Self::WebGpu => "webgpu",
            Self::Flex => "flex",
            Self::NdArray => "ndarray",
        }
    }

    /// Was it compiled in?
    #[must_use]
    pub fn is_compiled(self) -> bool {
        match self {
            Self::Cuda => cfg!(feature = "cuda"),
            Self::Rocm => cfg!(feature = "rocm"),
            Self::Metal => cfg!(feature = "metal"),
            Self::Vulkan => cfg!(feature = "vulkan"),
            Self::Wgpu => cfg!(feature = "wgpu"),
            Self::WebGpu => cfg!(feature = "webgpu"),
            Self::Flex => cfg!(feature = "flex"),
            Self::NdArray => cfg!(feature = "ndarray"),
        }
    }

    /// The backends that were compiled in, in the order of [`ALL`](Self::ALL).
    #[must_use]
    pub fn compiled() -> Vec<Self> {
        Self::ALL.into_iter().filter(|b| b.is_compiled()).collect()
    }

    /// Does it run on the CPU, where an adapter is always to be found?
    #[must_use]
    pub fn is_cpu(self) -> bool {
        matches!(self, Self::Flex | Self::NdArray)
    }

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

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

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

/// Runs `probe` and turns a panic into its message, without printing it: a driver that is there but unusable panics deep
/// inside the runtime, on a thread of its own. While it runs, no panic of any thread is printed.
#[cfg(any(feature = "wgpu", feature = "cuda", feature = "rocm"))]
fn quietly<T>(probe: impl FnOnce() -> T) -> Result<T, String> {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
        sync::{Arc, Mutex, PoisonError},
    };
    /// One probe at a time, or one would restore the silent hook of another.
    static PROBING: Mutex<()> = Mutex::new(());

    let _probing = PROBING.lock().unwrap_or_else(PoisonError::into_inner);
    let usual = take_hook();
    // The first panic is the cause; later ones are of threads that waited for it.
    let first: Arc<Mutex<Option<String>>> = Arc::default();
    let seen = Arc::clone(&first);
    set_hook(Box::new(move |info| {
        let message = info.payload_as_str().unwrap_or("the driver panicked").to_owned();
        seen.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(message);
    }));
    let outcome = catch_unwind(AssertUnwindSafe(probe));
    set_hook(usual);
    outcome.map_err(|_| {
        let message = first.lock().unwrap_or_else(PoisonError::into_inner).take();
        message.unwrap_or_else(|| "the driver panicked".into())
    })
}

/// The GPU devices of one backend.
fn enumerate(backend: Backend) -> Vec<Device> {
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

/// What a user asks for: one backend, or the best there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum DeviceChoice {
    /// A GPU, if a backend for one was compiled in and finds real hardware; the CPU otherwise.
    #[default]
    Auto,
    /// This backend, or an error.
    Backend(Backend),
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Backend(backend) => backend.fmt(f),
        }
    }
}

impl From<DeviceChoice> for String {
    fn from(choice: DeviceChoice) -> Self {
        choice.to_string()
    }
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(name: &str) -> Result<Self, DeviceError> {
        if name == "auto" {
            return Ok(Self::Auto);
        }
        Backend::ALL.into_iter().find(|backend| backend.name() == name).map(Self::Backend).ok_or_else(|| {
            let known = std::iter::once("auto").chain(Backend::ALL.map(Backend::name));
            UnknownName::new("device", name, known).into()
        })
    }
}

impl TryFrom<String> for DeviceChoice {
    type Error = DeviceError;

    fn try_from(name: String) -> Result<Self, DeviceError> {
        name.parse()
    }
}

/// Why a device cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// There is no device of that name.
    #[error(transparent)]
    Unknown(#[from] UnknownName),
    /// The backend is not part of this build.
    #[error(
        "device `{asked}` is not compiled in; this build has: {}. Build with `--features {asked}` to add it",
        list(.compiled)
    )]
    NotCompiled {
        /// The backend asked for.
        asked: Backend,
        /// The backends that were compiled in.
        compiled: Vec<Backend>,
    },
    /// The backend is there, but no hardware for it.
    #[error("device `{asked}` finds no adapter on this machine; this build can use: {}", list(.usable))]
    NoAdapter {
        /// The backend asked for.
        asked: Backend,
        /// The compiled backends that do find an adapter.
        usable: Vec<Backend>,
    },
    /// The adapter is there, but cannot be opened.
    #[error("device `{asked}` cannot be opened ({reason}); this build can use: {}", list(.usable))]
    Open {
        /// The backend asked for.
        asked: Backend,
        /// What the driver says.
        reason: String,
        /// The other compiled backends that find an adapter.
        usable: Vec<Backend>,
    },
    /// This build has no backend at all.
    #[error("no backend is compiled in; build with one of the features: {}", list(&Backend::ALL))]
    NoBackend,
}

fn list(backends: &[Backend]) -> String {
    if backends.is_empty() {
        return "none".into();
    }
    backends.iter().map(|b| b.name()).collect::<Vec<_>>().join(", ")
}

/// An opened device, with the backend it belongs to.
#[derive(Debug, Clone)]
pub struct OpenDevice {
    /// The backend.
    pub backend: Backend,
    /// The device, without autodiff.
    pub device: Device,
}

/// What [`DeviceChoice::Auto`] means on this machine.
///
/// # Errors
/// [`DeviceError::NoBackend`] if none was compiled in.
pub fn auto() -> Result<Backend, DeviceError> {
    let usable = |backend: &Backend| backend.is_cpu() || backend.adapters().iter().any(|a| a.kind == AdapterKind::Gpu);
    Backend::compiled().into_iter().find(usable).ok_or(DeviceError::NoBackend)
}

/// Opens a device. There is no fall-back: what was asked for is opened, or an error says what there is instead.
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

/// The compiled backends but one that find an adapter.
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
        other => {
            return Err(DeviceError::NotCompiled { asked: other, compiled: Backend::compiled() });
        }
    };
    #[cfg(any(feature = "wgpu", feature = "cuda", feature = "rocm"))]
    if !backend.is_cpu() {
        // A driver without its compiler opens, and fails at the first kernel; better now than in the middle of a run.
        let kernel = || burn::tensor::Tensor::<1>::ones([1], &device).add_scalar(1.0).try_into_data();
        let reason = match quietly(kernel) {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(format!("{error:?}")),
            Err(panic) => Some(panic),
        };
        if let Some(reason) = reason {
            return Err(DeviceError::Open { asked: backend, reason, usable: usable_besides(backend) });
        }
    }
    Ok(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for backend in Backend::ALL {
            assert_eq!(backend.name().parse(), Ok(DeviceChoice::Backend(backend)));
        }
        assert_eq!("auto".parse(), Ok(DeviceChoice::Auto));
        let error = "webgpi".parse::<DeviceChoice>().unwrap_err().to_string();
        let start = "unknown device `webgpi` (did you mean `webgpu`?); known are: auto, cuda,";
        assert!(error.starts_with(start), "{error}");
    }

    #[test]
    fn a_backend_that_is_not_compiled_in_is_refused_with_those_that_are() {
        for asked in Backend::ALL.into_iter().filter(|b| !b.is_compiled()) {
            let error = open(DeviceChoice::Backend(asked)).unwrap_err();
            let compiled = Backend::compiled();
            assert_eq!(error, DeviceError::NotCompiled { asked, compiled });
            assert!(error.to_string().contains(&format!("this build has: {}", list(&Backend::compiled()))));
        }
    }

    #[test]
    fn every_compiled_backend_opens_or_says_that_no_adapter_is_there() {
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
