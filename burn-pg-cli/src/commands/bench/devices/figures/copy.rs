//! Copies between host and device, and on the device.

use std::time::{Duration, Instant};

use burn_pg::burn::tensor::{Device, Tensor, TensorData};

use super::{Grid, Kind, Method, Planned, Work, repeated};
use crate::commands::bench::devices::measure::wait_for;

type Prepare = fn(&Device, usize) -> Work;

pub fn figures(grid: &Grid) -> Vec<Planned> {
    let between: [(&str, Prepare); 2] = [("host to device", to_device), ("device to host", to_host)];
    let on_device: (&str, Prepare) = ("within the device", within);
    let directions = if grid.is_cpu { vec![on_device] } else { [&between[..], &[on_device]].concat() };
    let planned = |(direction, prepare): (&str, Prepare), bytes: usize| Planned {
        kind: Kind::Copy,
        name: format!("{direction}, {}", named(bytes)),
        size: None,
        amount: bytes as f64,
        cost: bytes as f64,
        method: Method::Measure(Box::new(move |device| Ok(prepare(device, bytes / size_of::<f32>())))),
    };
    let of_size = |&bytes: &usize| directions.iter().map(move |&direction| planned(direction, bytes));
    grid.copies.iter().flat_map(of_size).collect()
}

fn named(bytes: usize) -> String {
    match bytes >> 20 {
        0 => format!("{} KiB", bytes >> 10),
        mebibytes => format!("{mebibytes} MiB"),
    }
}

fn to_device(device: &Device, len: usize) -> Work {
    let (values, device) = (vec![0.5_f32; len], device.clone());
    Box::new(move |iterations| {
        let mut total = Duration::ZERO;
        for _ in 0..iterations {
            let data = TensorData::new(values.clone(), [len]);
            let start = Instant::now();
            let tensor = Tensor::<1>::from_data(data, &device);
            wait_for(&device)?;
            total += start.elapsed();
            drop(tensor);
        }
        Ok(total.into())
    })
}

fn to_host(device: &Device, len: usize) -> Work {
    let tensor = Tensor::<1>::ones([len], device);
    repeated(device, move || {
        tensor.clone().try_into_data()?;
        Ok(())
    })
}

/// A kernel that reads and writes each value once.
fn within(device: &Device, len: usize) -> Work {
    let (tensor, device) = (Tensor::<1>::ones([len], device), device.clone());
    repeated(&device.clone(), move || {
        let copy = tensor.clone().add_scalar(1.0);
        device.flush()?;
        drop(copy);
        Ok(())
    })
}
