//! The size from which a device is faster than the CPU.

use std::collections::BTreeSet;

use burn_pg::device::Backend;
use serde::{Deserialize, Serialize};

use super::{
    kind::Kind,
    report::{Measured, Report},
};

/// The comparison of a device with the CPU (backend `flex`), for figures of one kind and width.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Crossover {
    pub kind: Kind,
    pub width: usize,
    pub backend: Backend,
    pub index: usize,
    /// The number of environments (for updates, of samples in a minibatch) from which the device is faster at every number
    /// that was measured on both. `None` if it is slower at the largest one.
    pub from_envs: Option<usize>,
    /// The smallest and the largest number of environments that was measured on both.
    pub compared: [usize; 2],
}

/// Compares all devices with the CPU. Figures that were not measured on both are left out.
pub fn crossovers(devices: &[Measured]) -> Vec<Crossover> {
    let Some(cpu) = devices.iter().find(|device| device.backend == Backend::Flex) else { return Vec::new() };
    let others = || devices.iter().filter(|device| device.backend != Backend::Flex);
    let kinds =
        Kind::COMPARED.into_iter().flat_map(|kind| widths(cpu, kind).into_iter().map(move |width| (kind, width)));
    kinds.flat_map(|(kind, width)| others().filter_map(move |device| crossover(cpu, device, kind, width))).collect()
}

fn widths(device: &Measured, kind: Kind) -> BTreeSet<usize> {
    device.of_kind(kind).filter_map(|figure| figure.size).map(|size| size.width).collect()
}

fn crossover(cpu: &Measured, device: &Measured, kind: Kind, width: usize) -> Option<Crossover> {
    let value = |device: &Measured, size| device.of_kind(kind).find(|figure| figure.size == Some(size))?.value();
    let sizes = cpu.of_kind(kind).filter_map(|figure| figure.size).filter(|size| size.width == width);
    let mut compared: Vec<(usize, bool)> =
        sizes.filter_map(|size| Some((size.envs, value(device, size)? > value(cpu, size)?))).collect();
    compared.sort_unstable();
    let (smallest, largest) = (compared.first()?.0, compared.last()?.0);
    let from_envs = compared.iter().rev().take_while(|(_, is_faster)| *is_faster).last().map(|(envs, _)| *envs);
    let (backend, index) = (device.backend, device.index);
    Some(Crossover { kind, width, backend, index, from_envs, compared: [smallest, largest] })
}

impl Report {
    /// Returns the comparison for a device.
    pub fn crossover(&self, device: &Measured, kind: Kind, width: usize) -> Option<&Crossover> {
        self.crossovers.iter().find(|crossover| {
            let Crossover { kind: of_kind, width: of_width, backend, index, .. } = crossover;
            (*of_kind, *of_width, *backend, *index) == (kind, width, device.backend, device.index)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::{Figure, Outcome, Rounds, Size};

    fn device(backend: Backend, values: &[(usize, f64)]) -> Measured {
        let figure = |&(envs, value): &(usize, f64)| Figure {
            kind: Kind::Inference,
            name: envs.to_string(),
            size: Some(Size { envs, width: 64 }),
            unit: "actions/s".into(),
            outcome: Outcome::Measured(Rounds::of(vec![value])),
        };
        let figures = values.iter().map(figure).collect();
        Measured { figures, ..Measured::new(backend, 0) }
    }

    #[test]
    fn a_device_is_faster_from_the_size_after_which_it_is_never_slower() {
        let cpu = device(Backend::Flex, &[(8, 1.0), (64, 1.0), (512, 1.0), (4096, 1.0)]);
        let from = |values: &[(usize, f64)]| {
            let found = crossovers(&[cpu.clone(), device(Backend::Wgpu, values)]);
            found.first().map(|found| (found.from_envs, found.compared))
        };
        assert_eq!(from(&[(8, 2.0), (64, 0.5), (512, 2.0), (4096, 3.0)]), Some((Some(512), [8, 4096])));
        assert_eq!(from(&[(8, 2.0), (64, 0.5)]), Some((None, [8, 64])));
        assert_eq!(from(&[(8, 2.0)]), Some((Some(8), [8, 8])));
        assert_eq!(from(&[]), None);
        assert_eq!(crossovers(&[device(Backend::Wgpu, &[(8, 2.0)])]), []);
    }
}
