//! The device that `auto` stands for.

use anyhow::Result;
use burn_pg::{
    CheckedConfig, DeviceChoice, MemoryPlan,
    device::{self, AdapterKind, Backend},
    envs,
};

use super::{
    crossover::Crossover,
    kept::kept,
    kind::Kind,
    report::{Measured, Report},
};

/// A backend for a run.
pub struct Picked {
    pub backend: Backend,
    /// Why it was picked; `None` if there was no choice.
    pub why: Option<String>,
}

/// Returns the backend for a run: the one that is asked for, or, if that is `auto`, the one that `bench devices` found to be
/// faster. If that is not known, it is a GPU if there is one.
pub fn pick(config: &CheckedConfig) -> Result<Picked> {
    let backend = match config.run.device {
        DeviceChoice::Backend(backend) => return Ok(Picked { backend, why: None }),
        DeviceChoice::Auto => device::auto()?,
    };
    if backend.is_cpu() || !Backend::Flex.is_compiled() {
        return Ok(Picked { backend, why: None });
    }
    let shape = Shape::of(config)?;
    let is_present = |device: &Measured| {
        device.adapter.is_some() && device.backend.adapters().get(device.index) == device.adapter.as_ref()
    };
    let picked = kept().and_then(|report| picked(&report, &shape, is_present));
    Ok(picked.unwrap_or_else(|| {
        let why = format!(
            "{backend} is a GPU; whether it is faster than the CPU for this run is not known until `burn-pg bench devices` \
             has measured it"
        );
        Picked { backend, why: Some(why) }
    }))
}

/// Returns the configuration with a backend for its device.
pub fn on(config: &CheckedConfig, backend: Backend) -> Result<CheckedConfig> {
    let mut config = (**config).clone();
    config.run.device = DeviceChoice::Backend(backend);
    Ok(config.validate()?)
}

/// What decides which device is faster for a run.
struct Shape {
    envs: usize,
    minibatch: usize,
    width: usize,
    /// Backends on which the environments would be on the GPU too.
    on_device: Vec<Backend>,
}

impl Shape {
    fn of(config: &CheckedConfig) -> Result<Self> {
        let spec = envs::spec(&config.env.name)?;
        let is_on_device = |backend: &Backend| {
            let config = on(config, *backend);
            config.is_ok_and(|config| MemoryPlan::of(&config, &spec).off_device.is_none())
        };
        let envs = config.env.num_envs;
        let (_, minibatches) = config.algorithm.passes();
        Ok(Self {
            envs,
            minibatch: (envs * config.rollout.num_steps).div_ceil(minibatches),
            width: config.network.hidden_sizes.iter().copied().max().unwrap_or(1),
            on_device: Backend::ALL.into_iter().filter(is_on_device).collect(),
        })
    }

    /// Returns the comparison that is closest to the run: in width, and, if the environments would be on the GPU too, of whole
    /// training.
    fn closest<'r>(&self, report: &'r Report, device: &Measured) -> Option<&'r Crossover> {
        let kinds = match self.on_device.contains(&device.backend) {
            true => &[Kind::Training, Kind::Update][..],
            false => &[Kind::Update],
        };
        let of_device = report.crossovers.iter().filter(|crossover| {
            (crossover.backend, crossover.index) == (device.backend, device.index) && kinds.contains(&crossover.kind)
        });
        let distance = |crossover: &&Crossover| {
            let factor = crossover.width.max(self.width) as f64 / crossover.width.min(self.width).max(1) as f64;
            (factor, crossover.kind != kinds[0])
        };
        of_device.min_by(|a, b| distance(a).partial_cmp(&distance(b)).expect("factors are finite"))
    }

    /// Returns whether a run of this shape is faster than on the CPU, and says why.
    fn verdict(&self, device: &Measured, crossover: &Crossover, date: &str) -> (bool, String) {
        let (what, rows, unit) = match crossover.kind {
            Kind::Training => ("training with layers of", self.envs, "environments"),
            _ => ("an update with layers of", self.minibatch, "samples in a minibatch"),
        };
        let Crossover { from_envs, width, compared: [_, largest], .. } = crossover;
        let name = device.adapter.as_ref().map_or("unknown", |adapter| &adapter.name);
        let (is_faster, found) = match from_envs {
            None => (false, format!("not faster than on the CPU, up to {largest} {unit}")),
            Some(from) => (rows >= *from, format!("faster than on the CPU from {from} {unit} on")),
        };
        let found = format!("on {} ({name}), {what} {width} was {found}", device.backend);
        (is_faster, format!("{found}, and this run has {rows} (`bench devices`, {date})"))
    }
}

/// Returns the first GPU that is faster than the CPU, or else the CPU. `None` if no GPU of this machine was compared.
fn picked(report: &Report, shape: &Shape, is_present: impl Fn(&Measured) -> bool) -> Option<Picked> {
    let is_gpu = |device: &&Measured| device.adapter.as_ref().is_some_and(|adapter| adapter.kind == AdapterKind::Gpu);
    let mut slower = None;
    for device in report.devices.iter().filter(is_gpu).filter(|device| is_present(device)) {
        let Some(crossover) = shape.closest(report, device) else { continue };
        let (is_faster, why) = shape.verdict(device, crossover, &report.date);
        if is_faster {
            return Some(Picked { backend: device.backend, why: Some(why) });
        }
        slower.get_or_insert(why);
    }
    slower.map(|why| Picked { backend: Backend::Flex, why: Some(why) })
}

#[cfg(test)]
mod tests {
    use burn_pg::device::Adapter;

    use super::*;
    use crate::comparison::{Conditions, Figure, Outcome, Rounds, Size};

    fn device(backend: Backend, kind: AdapterKind, figures: &[(Kind, usize, usize, f64)]) -> Measured {
        let figure = |&(kind, envs, width, value): &(Kind, usize, usize, f64)| Figure {
            kind,
            name: format!("{envs}, {width}"),
            size: Some(Size { envs, width }),
            unit: kind.unit().into(),
            outcome: Outcome::Measured(Rounds::of(vec![value])),
        };
        let adapter = Some(Adapter { name: "Card 5".into(), kind });
        Measured { adapter, figures: figures.iter().map(figure).collect(), ..Measured::new(backend, 0) }
    }

    /// Training with layers of 64 is faster on the GPU from 512 environments on, and updates with layers of 256 from 1,024
    /// samples on; updates with layers of 64 are slower.
    fn report(kind: AdapterKind) -> Report {
        let sizes = [
            (Kind::Training, 8, 64, 1.0, 0.1),
            (Kind::Training, 512, 64, 1.0, 5.0),
            (Kind::Update, 64, 64, 1.0, 0.1),
            (Kind::Update, 1_024, 64, 1.0, 0.5),
            (Kind::Update, 64, 256, 1.0, 0.5),
            (Kind::Update, 1_024, 256, 1.0, 2.0),
        ];
        let mut report = Report::new(Conditions::new(true, 1), "2026-11-28".into());
        report.insert(device(
            Backend::Flex,
            AdapterKind::Cpu,
            &sizes.map(|(kind, envs, width, cpu, _)| (kind, envs, width, cpu)),
        ));
        report.insert(device(Backend::Wgpu, kind, &sizes.map(|(kind, envs, width, _, gpu)| (kind, envs, width, gpu))));
        report
    }

    fn picked_for(envs: usize, minibatch: usize, width: usize, is_on_device: bool) -> (Backend, String) {
        let on_device = if is_on_device { vec![Backend::Wgpu] } else { Vec::new() };
        let shape = Shape { envs, minibatch, width, on_device };
        let Picked { backend, why } = picked(&report(AdapterKind::Gpu), &shape, |_| true).unwrap();
        (backend, why.unwrap())
    }

    #[test]
    fn the_crossover_for_the_shape_of_the_run_decides() {
        let (backend, why) = picked_for(512, 8, 64, true);
        let expected = "on wgpu (Card 5), training with layers of 64 was faster than on the CPU from 512 environments on, and \
                        this run has 512 (`bench devices`, 2026-11-28)";
        assert_eq!((backend, why.as_str()), (Backend::Wgpu, expected));
        assert_eq!(picked_for(511, 8, 64, true).0, Backend::Flex);
        // Wide layers were compared in updates only, and so is a run whose environments stay on the host.
        assert_eq!(picked_for(8, 1_024, 200, true).0, Backend::Wgpu);
        assert_eq!(picked_for(8, 1_023, 200, true).0, Backend::Flex);
        let (backend, why) = picked_for(4_096, 8_192, 64, false);
        let expected = "on wgpu (Card 5), an update with layers of 64 was not faster than on the CPU, up to 1024 samples in a \
                        minibatch, and this run has 8192 (`bench devices`, 2026-11-28)";
        assert_eq!((backend, why.as_str()), (Backend::Flex, expected));
    }

    #[test]
    fn nothing_is_picked_without_a_comparison_with_a_gpu_of_this_machine() {
        let shape = Shape { envs: 4_096, minibatch: 4_096, width: 64, on_device: vec![Backend::Wgpu] };
        assert!(picked(&report(AdapterKind::Software), &shape, |_| true).is_none());
        assert!(picked(&report(AdapterKind::Gpu), &shape, |_| false).is_none());
        let mut alone = report(AdapterKind::Gpu);
        alone.devices.retain(|device| device.backend == Backend::Wgpu);
        alone.crossovers.clear();
        assert!(picked(&alone, &shape, |_| true).is_none());
    }
}
