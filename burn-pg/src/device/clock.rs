//! Time on the clock of a device.

use std::time::Duration;

use burn::tensor::{Device, ProfileOptions, TimingMethod};

use super::{Failed, readback::answer_of};
use crate::Error;

/// Runs `work`, and returns the time from the start of its first kernel to the end of its last one, on the device's own
/// clock. Pauses between the kernels are part of it. `None` if the device has no clock, or if `work` runs no kernel.
///
/// # Errors
/// [`Error::Execution`] if the device fails.
pub fn device_time<T: Send + 'static>(
    device: &Device,
    work: impl FnOnce() -> T + Send,
) -> Result<(T, Option<Duration>), Error> {
    let profiled = device.profile_with(ProfileOptions::default().flush(), work);
    let (result, measured) = profiled.map_err(|error| Failed(error.to_string()))?;
    if measured.timing_method() == TimingMethod::System {
        return Ok((result, None));
    }
    let ticks = answer_of(device, measured.resolve())?;
    Ok((result, ticks.map(|ticks| ticks.duration())))
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;

    use super::*;
    use crate::device::{Backend, open_adapter};

    #[test]
    fn device_time_returns_the_result_of_the_work_and_no_time_on_the_cpu() {
        for backend in Backend::compiled().into_iter().filter(|backend| backend.num_adapters() > 0) {
            let device = open_adapter(backend, 0).unwrap().device;
            let work = || Tensor::<1>::ones([8], &device).sum().into_scalar::<f32>();
            let (sum, time) = device_time(&device, work).unwrap();
            assert_eq!(sum, 8.0);
            assert!(!backend.is_cpu() || time.is_none(), "{backend}");
        }
    }
}
