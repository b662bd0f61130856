//! The backends of Burn, and which of them are compiled in.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A backend of Burn. Each is a Cargo feature of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// NVIDIA GPUs.
    Cuda,
    /// AMD GPUs.
    Rocm,
    /// Apple GPUs, through Metal.
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
    /// All backends, in the order in which `auto` prefers them.
    pub const ALL: [Self; 8] =
        [Self::Cuda, Self::Rocm, Self::Metal, Self::Vulkan, Self::Wgpu, Self::WebGpu, Self::Flex, Self::NdArray];

    /// Returns the name, as on the command line, in configurations, and as a Cargo feature.
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

    /// True if the backend is compiled in.
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

    /// Returns the backends that are compiled in, in the order of [`ALL`](Self::ALL).
    #[must_use]
    pub fn compiled() -> Vec<Self> {
        Self::ALL.into_iter().filter(|b| b.is_compiled()).collect()
    }

    /// True if the backend runs on the CPU. Such a backend always finds its adapter.
    #[must_use]
    pub fn is_cpu(self) -> bool {
        matches!(self, Self::Flex | Self::NdArray)
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
