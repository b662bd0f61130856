//! The memories that a run takes from.

use super::{Bytes, available_memory};
use crate::device::OpenDevice;

/// A memory that a run may be too large for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The memory of the host.
    Host,
    /// The memory of the device.
    Device,
    /// The largest buffer of the device.
    Buffer,
}

/// How much memory a run may take; `None` where it is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Available {
    /// On the host.
    pub host: Option<Bytes>,
    /// On the device, if it has memory of its own. The backend `wgpu` does not say.
    pub device: Option<Bytes>,
    /// In one buffer of the device.
    pub buffer: Option<Bytes>,
}

impl Available {
    /// Returns what is available on this machine and on one of its devices.
    #[must_use]
    pub fn on(device: &OpenDevice) -> Self {
        let [of_device, buffer] = device.memory().map(|bytes| bytes.map(Bytes));
        Self { host: available_memory(), device: of_device, buffer }
    }

    pub(super) fn at(self, place: Place) -> Option<Bytes> {
        match place {
            Place::Host => self.host,
            Place::Device => self.device,
            Place::Buffer => self.buffer,
        }
    }
}

/// Nothing is known of the device.
impl From<Option<Bytes>> for Available {
    fn from(host: Option<Bytes>) -> Self {
        Self { host, ..Self::default() }
    }
}
