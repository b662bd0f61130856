//! Memory plans: how much memory a run will take, computed before any of it is allocated.
//!
//! The memory of each part of a run is defined next to its code: columns and environments in `source`, layers in
//! `policy`, kernels in `kernel`, optimisers in `optim`. This module adds it up for each phase.
//!
//! The plan follows the loop of the [`Trainer`](crate::Trainer) and counts what is allocated in each of its phases. The
//! peak of a run is the total of its largest phase, not the sum of all allocations. `docs/memory.md` lists what is
//! counted, and compares it with measurements.

mod fit;
mod part;
mod phases;
mod place;

use std::{collections::BTreeMap, fmt};

use burn_pg_envs::EnvSpec;
use serde::Serialize;

use crate::{
    algorithm::off_device,
    config::CheckedConfig,
    device::{self, Backend, DeviceChoice},
    source::OffDevice,
    update::Unfused,
};
use phases::{Parts, unfused};

pub use crate::storage::Bytes;
pub use fit::{DoesNotFit, Fix};
pub use part::{Part, PhasePlan};
pub use place::{Available, Place};

/// How much memory a run takes.
///
/// ```
/// use burn_pg::{Config, MemoryPlan, envs};
///
/// let mut config = Config::default();
/// config.env.num_envs = 2048;
/// let config = config.validate()?;
/// let spec = envs::spec(&config.env.name)?;
/// let plan = MemoryPlan::of(&config, &spec);
/// println!("{plan}");
/// plan.check(&config, &spec, burn_pg::available_memory())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemoryPlan {
    /// The phases of an update in order, for any update but the first; then the phases of checkpoints and evaluations,
    /// if they were added.
    pub phases: Vec<PhasePlan>,
    /// True if the device has its own memory.
    pub has_device_memory: bool,
    /// The kind of the networks if they are not of this crate. Their memory is then unknown, and not part of the plan.
    pub unknown_network: Option<String>,
    /// Why minibatches go through tensors and autodiff; `None` if they do not.
    pub unfused: Option<Unfused>,
    /// Why the environments are on the host; `None` if they are on the GPU.
    pub off_device: Option<OffDevice>,
    /// The largest buffer on the device, and what it is for; 0 bytes if the device has no memory of its own.
    pub largest_buffer: (Part, Bytes),
    #[serde(skip)]
    backend: Backend,
}

impl MemoryPlan {
    /// Plans the training of an [`ActorCritic`](crate::policy::ActorCritic) in environments of this specification. Of
    /// networks of your own ([`CustomNetwork`](crate::config::CustomNetwork)), only the rest of the run is planned. The
    /// device `auto` counts as `flex`. For `reinforce`, whose rollouts are whole episodes, episodes are assumed to be
    /// as long as the time limit, or 1,024 steps if there is none.
    #[must_use]
    pub fn of(config: &CheckedConfig, spec: &EnvSpec) -> Self {
        let backend = match config.run.device {
            DeviceChoice::Auto => Backend::Flex,
            DeviceChoice::Backend(backend) => backend,
        };
        let (parts, has_device_memory) = (Parts::new(config, spec, backend), !backend.is_cpu());
        let largest_buffer = if has_device_memory { parts.largest_buffer() } else { (Part::Batch, Bytes(0)) };
        let unknown_network = config.network.custom.as_ref().map(|custom| custom.kind.clone());
        let unfused = unfused(config, spec, backend);
        let off_device = off_device(config, spec, backend);
        Self {
            phases: parts.phases(),
            has_device_memory,
            unknown_network,
            unfused,
            off_device,
            largest_buffer,
            backend,
        }
    }

    /// Adds the evaluation after training. Its environments exist during all phases, because they are created before
    /// training.
    #[must_use]
    pub fn with_evaluation(mut self, config: &CheckedConfig, spec: &EnvSpec) -> Self {
        let parts = Parts::new(config, spec, self.backend);
        let envs = parts.evaluation_envs(config.evaluation.episodes as u64);
        for phase in &mut self.phases {
            phase.add(Part::Evaluation, envs);
        }
        self.phases.push(parts.evaluation("evaluation", config.evaluation.episodes as u64));
        self
    }

    /// Adds the checkpoints that are saved between updates: copies of weights and optimiser state, the environments as
    /// data, and their files; also the evaluations of checkpoints, if there are any.
    #[must_use]
    pub fn with_checkpoints(mut self, config: &CheckedConfig, spec: &EnvSpec) -> Self {
        let parts = Parts::new(config, spec, self.backend);
        self.phases.extend(parts.checkpoint(config, spec));
        if config.checkpoint.episodes > 0 {
            self.phases.push(parts.evaluation("its evaluation", config.checkpoint.episodes as u64));
        }
        self
    }

    /// Returns the phase that takes the most memory.
    ///
    /// # Panics
    /// If there are no phases.
    #[must_use]
    pub fn peak(&self) -> &PhasePlan {
        self.phases.iter().max_by_key(|phase| phase.total()).expect("an update has phases")
    }

    /// Returns the most memory that the run takes on the host. If the device has no memory of its own, that is the
    /// memory of all parts.
    #[must_use]
    pub fn host_peak(&self) -> Bytes {
        self.peak_at(Place::Host)
    }

    /// Returns the most memory that the run takes on the device, if it has memory of its own.
    #[must_use]
    pub fn device_peak(&self) -> Bytes {
        self.peak_at(Place::Device)
    }

    /// Returns the most memory that the run takes at a place.
    fn peak_at(&self, place: Place) -> Bytes {
        self.parts_at_peak(place).iter().map(|&(_, bytes)| bytes).sum()
    }

    /// Returns the parts at a place in the phase that takes the most memory there.
    fn parts_at_peak(&self, place: Place) -> Vec<(Part, Bytes)> {
        let is_there = |part: Part| (self.has_device_memory && part.is_on_device()) == (place == Place::Device);
        if place == Place::Buffer {
            return vec![self.largest_buffer];
        }
        let phases = self.phases.iter().map(|phase| -> Vec<_> {
            phase.parts.iter().filter(|(part, _)| is_there(**part)).map(|(&part, &bytes)| (part, bytes)).collect()
        });
        phases.max_by_key(|parts| parts.iter().map(|&(_, bytes)| bytes).sum::<Bytes>()).unwrap_or_default()
    }

    /// Returns each part with the most memory that it takes in any phase.
    #[must_use]
    pub fn parts(&self) -> BTreeMap<Part, Bytes> {
        let mut parts = BTreeMap::new();
        for (&part, &bytes) in self.phases.iter().flat_map(|phase| &phase.parts) {
            let most: &mut Bytes = parts.entry(part).or_default();
            *most = bytes.max(*most);
        }
        parts
    }
}

/// Returns the memory that this process can allocate without taking it from other processes, within the limits of its
/// control groups. `None` on all systems except Linux.
#[must_use]
pub fn available_memory() -> Option<Bytes> {
    device::memory::available().map(Bytes)
}

/// Formats the plan as a table of the parts and a table of the phases.
impl fmt::Display for MemoryPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peak = self.peak();
        writeln!(f, "{:<20} {:>12} {:>18}   {:>12}", "part", "at most", "bytes", "at the peak")?;
        let is_known = |bytes: Bytes| self.unknown_network.is_none() || bytes > Bytes(0);
        for (part, bytes) in self.parts().into_iter().filter(|&(_, bytes)| is_known(bytes)) {
            let at_peak = peak.parts.get(&part).copied().unwrap_or_default();
            let place = if self.has_device_memory && part.is_on_device() { "  on the device" } else { "" };
            writeln!(f, "{:<20} {bytes:>12} {:>18}   {at_peak:>12}{place}", part.name(), bytes.0)?;
        }
        writeln!(f, "\n{:<20} {:>12} {:>18}", "phase", "together", "bytes")?;
        for phase in &self.phases {
            let (total, mark) = (phase.total(), if phase == peak { "   the peak" } else { "" });
            writeln!(f, "{:<20} {total:>12} {:>18}{mark}", phase.name, total.0)?;
        }
        write!(f, "\n{:<20} {:>12} {:>18}", "total", peak.total(), peak.total().0)?;
        if self.has_device_memory {
            for (place, peak) in [("most on the host", self.host_peak()), ("most on the device", self.device_peak())] {
                write!(f, "\n{place:<20} {peak:>12} {:>18}", peak.0)?;
            }
        }
        if let Some(kind) = &self.unknown_network {
            write!(f, "\nwithout the networks: how much memory the kind `{kind}` takes is not known")?;
        }
        if self.has_device_memory {
            match &self.off_device {
                None => write!(f, "\n{:<20} on the device", "environments")?,
                Some(reason) => write!(f, "\n{:<20} on the host: {reason}", "environments")?,
            }
        }
        match self.unfused {
            None => write!(f, "\n{:<20} {:>12}", "minibatches", "fused"),
            Some(reason) => write!(f, "\n{:<20} not fused: {reason}", "minibatches"),
        }
    }
}
