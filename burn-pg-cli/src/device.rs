//! Opens the device of a run.

use anyhow::Result;
use burn_pg::{
    CheckedConfig, DeviceChoice,
    device::{self, OpenDevice},
};

use crate::comparison::{Picked, on, pick};

/// The device of a run.
pub struct Opened {
    /// The configuration, with the backend in place of `auto`.
    pub config: CheckedConfig,
    pub device: OpenDevice,
    /// Why `auto` stands for this backend; `None` if there was no choice.
    pub why: Option<String>,
}

/// Opens the device that a configuration asks for.
pub fn open(config: &CheckedConfig) -> Result<Opened> {
    let Picked { backend, why } = pick(config)?;
    let device = device::open(DeviceChoice::Backend(backend))?;
    Ok(Opened { config: on(config, backend)?, device, why })
}
