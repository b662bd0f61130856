//! The share of time that passes on the device.

use std::time::{Duration, Instant};

use anyhow::Result;
use burn_pg::{
    burn::tensor::Device,
    device::{Backend, device_time},
};

use super::{Grid, Kind, Method, Planned, Size, Step, inference, update};
use crate::commands::bench::devices::measure::{Time, Work};

const SIZE: Size = Size { envs: 1_024, width: 64 };

type NewStep = fn(&Device, Size) -> Result<Step>;

pub fn figures(grid: &Grid) -> Vec<Planned> {
    let steps: [(&str, &str, NewStep); 2] =
        [("inference", "environments", inference::step), ("update", "samples", update::step)];
    let planned = |(name, rows, step): (&str, &str, NewStep)| Planned {
        kind: Kind::DeviceTime,
        name: format!("{name}, {}", SIZE.named(rows)),
        size: Some(SIZE),
        amount: 1.0,
        cost: 1.0,
        method: match grid.backend {
            Backend::Flex | Backend::NdArray => Method::Unavailable("a CPU has no clock of its own"),
            Backend::Cuda | Backend::Rocm => {
                Method::Unavailable("on this backend, Burn's clock also counts the time before the first kernel")
            }
            _ => Method::Measure(Box::new(move |device| Ok(clocked(device, step(device, SIZE)?)))),
        },
    };
    steps.map(planned).into()
}

/// Returns work that waits for the device after each step, and reads the device's clock.
fn clocked(device: &Device, mut step: Step) -> Work {
    let device = device.clone();
    Box::new(move |iterations| {
        let start = Instant::now();
        let mut on_device = Some(Duration::ZERO);
        for _ in 0..iterations {
            let (outcome, time) = device_time(&device, &mut step)?;
            outcome?;
            on_device = on_device.zip(time).map(|(sum, time)| sum + time);
        }
        Ok(Time { total: start.elapsed(), on_device })
    })
}
