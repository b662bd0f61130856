//! Copies between host and device, and on the device.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use burn_pg::burn::tensor::{Device, Tensor, TensorData, Transaction};

use super::{Grid, Kind, Method, Planned, Work, repeated};
use crate::commands::bench::devices::measure::wait_for;

type Prepare = fn(&Device, usize) -> Work;

pub fn figures(grid: &Grid) -> Vec<Planned> {
    let directions: &[(&str, Prepare)] =
        &[("within the device", within), ("host to device", to_device), ("device to host", to_host)];
    let directions = if grid.backend.is_cpu() { &directions[..1] } else { directions };
    let planned = |(direction, prepare): (&str, Prepare), bytes: usize| Planned {
        kind: Kind::Copy,
        name: format!("{direction}, {}", named(bytes)),
        size: None,
        amount: bytes as f64,
        cost: bytes as f64,
        method: Method::Measure(Box::new(move |device| Ok(prepare(device, bytes / size_of::<f32>())))),
    };
    directions.iter().flat_map(|&direction| grid.copies.iter().map(move |&bytes| planned(direction, bytes))).collect()
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
    repeated(device, move || read(tensor.clone(), len))
}

/// Reads a tensor. Without a transaction, it might not be fetched before its data is used.
fn read(tensor: Tensor<1>, len: usize) -> Result<()> {
    let data = Transaction::default().register(tensor).try_execute()?;
    let bytes = data.iter().map(|data| data.as_bytes().len()).sum::<usize>();
    ensure!(bytes == len * size_of::<f32>(), "{bytes} bytes were read");
    Ok(())
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
