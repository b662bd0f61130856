//! The share of time that passes on the device.

use std::time::{Duration, Instant};

use anyhow::Result;
use burn_pg::{burn::tensor::Device, device::device_time};

use super::{Kind, Method, Planned, Size, Step, inference, update};
use crate::commands::bench::devices::measure::{Time, Work, wait_for};

const SIZE: Size = Size { envs: 1_024, width: 64 };

type NewStep = fn(&Device, Size) -> Result<Step>;

pub fn figures() -> Vec<Planned> {
    let steps: [(&str, &str, NewStep); 2] =
        [("inference", "environments", inference::step), ("update", "samples", update::step)];
    let planned = |(name, rows, step): (&str, &str, NewStep)| Planned {
        kind: Kind::DeviceTime,
        name: format!("{name}, {}", SIZE.named(rows)),
        size: Some(SIZE),
        amount: 1.0,
        cost: 1.0,
        method: Method::Measure(Box::new(move |device| Ok(clocked(device, step(device, SIZE)?)))),
    };
    steps.map(planned).into()
}

/// Returns work that takes each step twice: once for the time of the host, and once for the time of the device, because
/// reading the clock takes time too.
fn clocked(device: &Device, mut step: Step) -> Work {
    let device = device.clone();
    Box::new(move |iterations| {
        let (mut total, mut on_device) = (Duration::ZERO, Some(Duration::ZERO));
        for _ in 0..iterations {
            let start = Instant::now();
            step()?;
            wait_for(&device)?;
            total += start.elapsed();
            let (outcome, time) = device_time(&device, &mut step)?;
            outcome?;
            on_device = on_device.zip(time).map(|(sum, time)| sum + time);
        }
        Ok(Time { total, on_device })
    })
}
