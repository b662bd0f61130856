//! The device that `auto` stands for.

use anyhow::Result;
use burn_pg::{
    CheckedConfig, DeviceChoice, MemoryPlan,
    config::Algo,
    device::{self, AdapterKind, Backend},
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
    if backend.is_cpu() {
        let why = software_driver()
            .map(|name| format!("the only GPU that was found is `{name}`, which is a driver on the CPU"));
        return Ok(Picked { backend, why });
    }
    if !Backend::Flex.is_compiled() {
        return Ok(Picked { backend, why: None });
    }
    let shape = Shape::of(config)?;
    let picked = kept().and_then(|report| picked(&report, &shape, is_opened_by_default));
    Ok(picked.unwrap_or_else(|| {
        let why = format!(
            "{backend} is a GPU; `burn-pg bench devices` has not measured whether it is faster than the CPU for a run like this"
        );
        Picked { backend, why: Some(why) }
    }))
}

/// Returns the name of an adapter that is a driver on the CPU, if one was found.
fn software_driver() -> Option<String> {
    let adapters = Backend::compiled().into_iter().flat_map(Backend::adapters);
    adapters.into_iter().find(|adapter| adapter.kind == AdapterKind::Software).map(|adapter| adapter.name)
}

/// True if a device is the one that its backend opens by itself.
fn is_opened_by_default(device: &Measured) -> bool {
    let opened = device::open(DeviceChoice::Backend(device.backend));
    opened.is_ok_and(|opened| Some(opened.adapter()) == device.adapter)
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
    /// Backends on which minibatches would be fused, as those that were measured.
    fused: Vec<Backend>,
    /// Those of them on which the environments would be on the GPU too.
    on_device: Vec<Backend>,
}

impl Shape {
    fn of(config: &CheckedConfig) -> Result<Self> {
        let spec = config.env.spec()?;
        let planned = |backend| on(config, backend).ok().map(|config| (backend, MemoryPlan::of(&config, &spec)));
        let plans: Vec<_> = Backend::ALL.into_iter().filter_map(planned).collect();
        let (_, minibatches) = config.algorithm.passes();
        let (envs, is_cut) = (config.env.num_envs, config.algorithm.algo() != Algo::Reinforce);
        let fused = plans.iter().filter(|(_, plan)| is_cut && plan.unfused.is_none() && plan.unknown_network.is_none());
        Ok(Self {
            envs,
            minibatch: (envs * config.rollout.num_steps).div_ceil(minibatches),
            width: config.network.hidden_sizes.iter().copied().max().unwrap_or(1),
            on_device: fused
                .clone()
                .filter(|(_, plan)| plan.off_device.is_none())
                .map(|(backend, _)| *backend)
                .collect(),
            fused: fused.map(|(backend, _)| *backend).collect(),
        })
    }

    /// Returns the comparison that is closest to the run: in width, and, if the environments would be on the GPU too, of whole
    /// training. `None` if the run is unlike those that were measured.
    fn closest<'r>(&self, report: &'r Report, device: &Measured) -> Option<&'r Crossover> {
        let kinds = match self.on_device.contains(&device.backend) {
            true => &[Kind::Training, Kind::Update][..],
            false => &[Kind::Update],
        };
        let of_device = report.crossovers.iter().filter(|crossover| {
            let is_of_device = (crossover.backend, crossover.index) == (device.backend, device.index);
            is_of_device && self.fused.contains(&device.backend) && kinds.contains(&crossover.kind)
        });
        let distance = |crossover: &&Crossover| {
            let factor = crossover.width.max(self.width) as f64 / crossover.width.min(self.width).max(1) as f64;
            (factor, crossover.kind != kinds[0])
        };
        of_device.min_by(|a, b| distance(a).partial_cmp(&distance(b)).expect("factors are finite"))
    }

    /// Returns how many times as fast as the CPU a run of this shape is, and says why: below 1 if it is slower. `None` if nothing
    /// follows from what was measured.
    fn verdict(&self, report: &Report, device: &Measured, crossover: &Crossover) -> Option<(f64, String)> {
        let (what, rows, unit) = match crossover.kind {
            Kind::Training => ("training", self.envs, "environments"),
            _ => ("updates", self.minibatch, "samples in a minibatch"),
        };
        let Crossover { kind, from_envs, width, compared: [smallest, largest], .. } = *crossover;
        let found = match from_envs {
            // It may be faster beyond the largest size.
            None if rows > largest => return None,
            None => format!("not faster than on the CPU, up to {largest} {unit}"),
            Some(from) => format!("faster than on the CPU from {from} {unit} on"),
        };
        let was = if kind == Kind::Training { "was" } else { "were" };
        let name = device.adapter.as_ref().map_or("unknown", |adapter| &adapter.name);
        let on = format!("on {} ({name}), {what} with layers of {width} {was} {found}", device.backend);
        let why = format!("{on}, and this run has {rows} (`bench devices`, {})", report.date);
        let speed = match from_envs {
            Some(from) if rows >= from => report.speed(device, kind, width, rows.max(smallest)).unwrap_or(1.0).max(1.0),
            _ => 0.0,
        };
        Some((speed, why))
    }
}

/// Returns the GPU that is the fastest for a run, or the CPU if none is faster than that. `None` if nothing follows from what was
/// measured.
fn picked(report: &Report, shape: &Shape, is_present: impl Fn(&Measured) -> bool) -> Option<Picked> {
    let gpus = report.devices.iter().filter(|device| device.is_gpu());
    let verdicts = gpus.filter_map(|device| {
        let crossover = shape.closest(report, device)?;
        let (speed, why) = shape.verdict(report, device, crossover)?;
        is_present(device).then_some((device.backend, speed, why))
    });
    let (backend, speed, why) = verdicts.max_by(|a, b| a.1.total_cmp(&b.1))?;
    let backend = if speed >= 1.0 { backend } else { Backend::Flex };
    Some(Picked { backend, why: Some(why) })
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

    fn shape(envs: usize, minibatch: usize, width: usize, is_on_device: bool) -> Shape {
        let on_device = if is_on_device { vec![Backend::Wgpu, Backend::Cuda] } else { Vec::new() };
        Shape { envs, minibatch, width, on_device, fused: vec![Backend::Wgpu, Backend::Cuda] }
    }

    fn picked_for(shape: &Shape) -> Option<(Backend, String)> {
        let Picked { backend, why } = picked(&report(AdapterKind::Gpu), shape, |_| true)?;
        Some((backend, why.unwrap()))
    }

    #[test]
    fn the_crossover_for_the_shape_of_the_run_decides() {
        let (backend, why) = picked_for(&shape(512, 8, 64, true)).unwrap();
        let expected = "on wgpu (Card 5), training with layers of 64 was faster than on the CPU from 512 environments on, and \
                        this run has 512 (`bench devices`, 2026-11-28)";
        assert_eq!((backend, why.as_str()), (Backend::Wgpu, expected));
        let backend = |shape: &Shape| picked_for(shape).map(|(backend, _)| backend);
        assert_eq!(backend(&shape(511, 8, 64, true)), Some(Backend::Flex));
        // Wide layers were compared in updates only, and so is a run whose environments stay on the host.
        assert_eq!(backend(&shape(8, 1_024, 200, true)), Some(Backend::Wgpu));
        assert_eq!(backend(&shape(8, 1_023, 200, true)), Some(Backend::Flex));
        let (backend, why) = picked_for(&shape(4_096, 1_024, 64, false)).unwrap();
        let expected = "on wgpu (Card 5), updates with layers of 64 were not faster than on the CPU, up to 1024 samples in a \
                        minibatch, and this run has 1024 (`bench devices`, 2026-11-28)";
        assert_eq!((backend, why.as_str()), (Backend::Flex, expected));
    }

    #[test]
    fn nothing_is_said_of_runs_that_are_larger_than_what_was_measured_or_of_another_kind() {
        assert!(picked_for(&shape(4_096, 1_025, 64, false)).is_none());
        let other = Shape { fused: Vec::new(), ..shape(512, 1_024, 64, true) };
        assert!(picked_for(&other).is_none());
    }

    #[test]
    fn of_several_gpus_the_fastest_is_picked() {
        let mut report = report(AdapterKind::Gpu);
        let faster = [(Kind::Training, 8, 64, 0.5), (Kind::Training, 512, 64, 7.0)];
        report.insert(device(Backend::Cuda, AdapterKind::Gpu, &faster));
        let backend = |envs| picked(&report, &shape(envs, 8, 64, true), |_| true).unwrap().backend;
        assert_eq!((backend(512), backend(8)), (Backend::Cuda, Backend::Flex));
        let present = |device: &Measured| device.backend == Backend::Wgpu;
        assert_eq!(picked(&report, &shape(512, 8, 64, true), present).unwrap().backend, Backend::Wgpu);
    }

    #[test]
    fn nothing_is_picked_without_a_comparison_with_a_gpu_of_this_machine() {
        let shape = shape(4_096, 4_096, 64, true);
        assert!(picked(&report(AdapterKind::Software), &shape, |_| true).is_none());
        assert!(picked(&report(AdapterKind::Gpu), &shape, |_| false).is_none());
        let mut alone = report(AdapterKind::Gpu);
        alone.devices.retain(|device| device.backend == Backend::Wgpu);
        alone.crossovers.clear();
        assert!(picked(&alone, &shape, |_| true).is_none());
    }
}
