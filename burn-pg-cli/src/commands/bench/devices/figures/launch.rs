//! The time to launch a kernel.

use anyhow::Result;
use burn_pg::burn::tensor::{Device, Tensor};

use super::{Kind, Method, Planned, Work, repeated};
use crate::commands::bench::devices::measure::wait_for;

pub fn figures() -> Vec<Planned> {
    let replay = "replaying a captured graph is `unsafe` in Burn 0.22, and burn-pg forbids unsafe code";
    let measured = |prepare: fn(&Device) -> Result<Work>| Method::Measure(Box::new(prepare));
    [
        ("synchronised: wait after each", measured(synchronised)),
        ("queued: wait once at the end", measured(queued)),
        ("replayed from a captured graph", Method::Unavailable(replay)),
    ]
    .map(|(name, method)| Planned { kind: Kind::Launch, name: name.into(), size: None, amount: 1.0, cost: 1.0, method })
    .into()
}

#[allow(clippy::unnecessary_wraps)] // as the other figures
fn synchronised(device: &Device) -> Result<Work> {
    let (mut add, waiting) = (add(device), device.clone());
    Ok(repeated(device, move || {
        add()?;
        wait_for(&waiting)
    }))
}

#[allow(clippy::unnecessary_wraps)] // as the other figures
fn queued(device: &Device) -> Result<Work> {
    Ok(repeated(device, add(device)))
}

/// Returns a step that adds 1 to a number on the device.
fn add(device: &Device) -> impl FnMut() -> Result<()> + 'static {
    let (mut number, device) = (Tensor::<1>::zeros([1], device), device.clone());
    move || {
        number = number.clone().add_scalar(1.0);
        // With the feature `fusion`, several operations would become one kernel.
        Ok(device.flush()?)
    }
}
