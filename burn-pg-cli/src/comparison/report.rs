//! The result of the benchmark. JSON and Markdown are written from this one value.

use burn_pg::device::{Adapter, AdapterKind, Backend};
use serde::{Deserialize, Serialize};

use super::{
    conditions::Conditions,
    crossover::{Crossover, crossovers},
    kind::Kind,
};

/// All that was measured on one machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    #[serde(flatten)]
    pub conditions: Conditions,
    /// The day of the last measurement, such as `2026-11-27`, in UTC.
    pub date: String,
    pub devices: Vec<Measured>,
    /// Backends that are compiled in and find no adapter.
    pub without_adapter: Vec<Backend>,
    /// The number of environments from which each device is faster than the CPU.
    pub crossovers: Vec<Crossover>,
}

/// The figures of one device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    pub backend: Backend,
    /// The index of the adapter among those of the backend; 0 on the CPU.
    pub index: usize,
    /// `None` if the device could not be opened.
    pub adapter: Option<Adapter>,
    /// The graphics API and the driver; `None` if they are unknown.
    pub driver: Option<String>,
    /// The time that the measurement took.
    pub seconds: f64,
    /// Why figures are missing: the device could not be opened, crashed or did not answer.
    pub failure: Option<String>,
    pub figures: Vec<Figure>,
}

/// One figure: what was measured, and the outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    pub kind: Kind,
    /// Tells the figure from others of its kind.
    pub name: String,
    /// The number of environments (for updates, of samples in a minibatch) and the width of the hidden layers.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    pub unit: String,
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// The size of a figure of the grid of environments and widths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    pub envs: usize,
    pub width: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    Measured(Rounds),
    /// It cannot be measured here.
    NotMeasured {
        reason: String,
    },
    /// There was no time for it.
    Skipped {
        /// The time of one iteration, as far as it is known.
        seconds: Option<f64>,
    },
}

/// The values of several rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rounds {
    pub median: f64,
    pub lowest: f64,
    pub highest: f64,
    /// The number of rounds.
    #[serde(rename = "rounds")]
    pub count: usize,
    /// True if the rounds spread by more than [`NOISY`].
    pub noisy: bool,
}

/// Largest spread of the rounds, relative to their median, of a figure that is not marked as noisy.
pub const NOISY: f64 = 0.1;

impl Rounds {
    /// Returns the median of `values` and their spread.
    ///
    /// # Panics
    /// If there are no values.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let (middle, last) = (values.len() / 2, values.len() - 1);
        let median =
            if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) };
        let rounds = Self { median, lowest: values[0], highest: values[last], count: values.len(), noisy: false };
        Self { noisy: rounds.spread() > NOISY, ..rounds }
    }

    /// Returns the difference of the highest and the lowest value, relative to the median.
    pub fn spread(&self) -> f64 {
        (self.highest - self.lowest) / self.median
    }
}

impl Figure {
    /// Returns the median, if the figure was measured.
    pub fn value(&self) -> Option<f64> {
        match &self.outcome {
            Outcome::Measured(rounds) => Some(rounds.median),
            Outcome::NotMeasured { .. } | Outcome::Skipped { .. } => None,
        }
    }
}

impl Measured {
    /// Returns a device that nothing has been measured on.
    pub fn new(backend: Backend, index: usize) -> Self {
        Self { backend, index, adapter: None, driver: None, seconds: 0.0, failure: None, figures: Vec::new() }
    }

    /// Returns the position of the device in reports: the CPU first, then GPUs.
    pub fn position(&self) -> (bool, Option<usize>, usize) {
        let backend = Backend::ALL.iter().position(|backend| *backend == self.backend);
        (!self.backend.is_cpu(), backend, self.index)
    }

    /// True if both are rows of the same device.
    fn is_of(&self, device: &Self) -> bool {
        (self.backend, self.index) == (device.backend, device.index)
    }

    /// True if the device is a GPU, and not a driver that emulates one.
    pub fn is_gpu(&self) -> bool {
        self.adapter.as_ref().is_some_and(|adapter| adapter.kind == AdapterKind::Gpu)
    }

    /// Returns the figures of a kind.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Figure> {
        self.figures.iter().filter(move |figure| figure.kind == kind)
    }
}

impl Report {
    /// Creates a report without devices.
    pub fn new(conditions: Conditions, date: String) -> Self {
        Self { conditions, date, devices: Vec::new(), without_adapter: Vec::new(), crossovers: Vec::new() }
    }

    /// True if the device was measured without a failure.
    pub fn is_complete_for(&self, device: &Measured) -> bool {
        self.devices.iter().any(|known| known.is_of(device) && known.failure.is_none())
    }

    /// Adds a device, in place of an earlier row of it.
    pub fn insert(&mut self, device: Measured) {
        self.devices.retain(|known| !known.is_of(&device));
        self.devices.push(device);
        self.devices.sort_by_key(Measured::position);
        self.crossovers = crossovers(&self.devices);
    }

    /// Adds backends that find no adapter.
    pub fn add_without_adapter(&mut self, backends: &[Backend]) {
        let new = backends.iter().filter(|backend| !self.without_adapter.contains(backend)).copied();
        self.without_adapter.extend(new.collect::<Vec<_>>());
    }

    /// Returns how many times as fast as the CPU a device is, at the largest size up to `envs` that was measured on both.
    pub fn speed(&self, device: &Measured, kind: Kind, width: usize, envs: usize) -> Option<f64> {
        let cpu = self.devices.iter().find(|device| device.backend == Backend::Flex)?;
        let speeds = device.of_kind(kind).filter_map(|figure| {
            let size = figure.size.filter(|size| size.width == width && size.envs <= envs)?;
            let of_cpu = cpu.of_kind(kind).find(|other| other.size == Some(size))?;
            Some((size.envs, figure.value()? / of_cpu.value()?))
        });
        speeds.max_by_key(|(envs, _)| *envs).map(|(_, speed)| speed)
    }

    /// True if a GPU was compared with the CPU, and no device failed.
    pub fn compares_gpus(&self) -> bool {
        let compared = |device: &Measured| {
            let is_of = |crossover: &Crossover| (crossover.backend, crossover.index) == (device.backend, device.index);
            device.is_gpu() && self.crossovers.iter().any(is_of)
        };
        self.devices.iter().all(|device| device.failure.is_none()) && self.devices.iter().any(compared)
    }

    /// Returns the name of a device: its backend, and the index of its adapter if the backend has several.
    pub fn label(&self, device: &Measured) -> String {
        let has_several = self.devices.iter().any(|other| other.backend == device.backend && other.index > 0);
        if has_several { format!("{} {}", device.backend, device.index) } else { device.backend.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_have_a_median_and_are_noisy_if_they_spread_by_more_than_a_tenth() {
        let even = Rounds::of(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!((even.median, even.lowest, even.highest, even.count, even.noisy), (2.5, 1.0, 4.0, 4, true));
        let odd = Rounds::of(vec![100.0, 110.0, 101.0]);
        assert_eq!((odd.median, odd.noisy), (101.0, false));
        assert!(Rounds::of(vec![100.0, 111.0, 100.0]).noisy);
    }
}
