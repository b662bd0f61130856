//! Names of graphics drivers.

use burn::tensor::{
    Device,
    wgpu::wgpu::{Adapter, Backend as Api, Instance, InstanceDescriptor},
};

use super::{Backend, readback::answer_of};

/// Returns the graphics API and the driver of the adapter called `name`, such as `Vulkan, NVIDIA 570.86`. Burn does not
/// report them, so that the APIs are asked in the order in which Burn tries them. `None` if no API knows the adapter.
pub(super) fn driver_of(backend: Backend, device: &Device, name: &str) -> Option<String> {
    let apis: &[Api] = match backend {
        Backend::Vulkan => &[Api::Vulkan],
        Backend::Metal => &[Api::Metal],
        Backend::Wgpu => &[Api::Metal, Api::Vulkan, Api::Dx12, Api::Gl],
        _ => &[],
    };
    apis.iter().find_map(|&api| {
        let backends = api.into();
        let instance =
            Instance::new(InstanceDescriptor { backends, ..InstanceDescriptor::new_without_display_handle() });
        let adapters = answer_of(device, instance.enumerate_adapters(backends)).ok()?;
        let found = adapters.iter().map(Adapter::get_info).find(|info| info.name == name)?;
        let driver = [&*found.driver, &*found.driver_info].join(" ");
        Some(match driver.trim() {
            "" => name_of(api).into(),
            driver => format!("{}, {driver}", name_of(api)),
        })
    })
}

fn name_of(api: Api) -> &'static str {
    match api {
        Api::Vulkan => "Vulkan",
        Api::Metal => "Metal",
        Api::Dx12 => "DirectX 12",
        Api::Gl => "OpenGL",
        Api::BrowserWebGpu => "WebGPU",
        Api::Noop => "no API",
    }
}
