//! How much memory a run will take, before any of it is allocated.
//!
//! Each part of a run says beside its own code what it takes: the columns and the environments in `source`, the layers in
//! `policy`, the kernels in `kernel`, the optimisers in `optim`. Here that is added up for each phase.
//!
//! The plan follows the loop of the [`Trainer`](crate::Trainer) and counts what is alive in each of its phases: the peak of a
//! run is that of its largest phase, not the sum of all that is ever there. What is counted, and how well it agrees with what
//! is measured, is in `docs/memory.md`.

mod fit;
mod phases;

use std::{collections::BTreeMap, fmt};

use burn_pg_envs::EnvSpec;
use serde::Serialize;

use crate::{
    config::CheckedConfig,
    device::{self, Backend, DeviceChoice},
};
use phases::Parts;

pub use crate::storage::Bytes;
pub use fit::{DoesNotFit, Remedy};

/// What memory is taken by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The weights; during a step, also those after it.
    Parameters,
    /// Gradients of the weights: flat, and in kernels one for each task.
    Gradients,
    /// What the optimiser remembers; during a step, also what it will.
    OptimiserState,
    /// Weights and optimiser as they were before the update, the policy's copy that acts on the host, and a reference.
    Snapshots,
    /// Environments, what a step of them produces, and their streams of random numbers.
    Environments,
    /// The rollout buffer.
    Rollout,
    /// What blocks of environments record before it is put together.
    BlockRecords,
    /// Advantages and returns, in double precision.
    Targets,
    /// The rollout on the device.
    Batch,
    /// The same, shuffled for an epoch.
    ShuffledBatch,
    /// What the forward pass of a minibatch, or of a part of one, keeps for the backward pass, and what both need besides. On
    /// the `flex` backend, threads keep most of it for the next minibatch.
    Activations,
    /// Metrics of all steps of an update.
    Metrics,
    /// The environments that the policy is evaluated in, and what it takes to act in them.
    Evaluation,
    /// Everything else.
    Rest,
}

impl Part {
    /// Its name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Parameters => "parameters",
            Self::Gradients => "gradients",
            Self::OptimiserState => "optimiser state",
            Self::Snapshots => "snapshots",
            Self::Environments => "environments",
            Self::Rollout => "rollout buffer",
            Self::BlockRecords => "records of blocks",
            Self::Targets => "targets",
            Self::Batch => "batch",
            Self::ShuffledBatch => "shuffled batch",
            Self::Activations => "activations",
            Self::Metrics => "metrics",
            Self::Evaluation => "evaluation",
            Self::Rest => "rest",
        }
    }

    /// Is it in the memory of the device, where that has its own?
    #[must_use]
    pub fn is_on_device(self) -> bool {
        matches!(
            self,
            Self::Parameters
                | Self::Gradients
                | Self::OptimiserState
                | Self::Snapshots
                | Self::Batch
                | Self::ShuffledBatch
                | Self::Activations
                | Self::Metrics
        )
    }
}

/// A phase of an update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PhasePlan {
    /// What is done in it.
    pub name: &'static str,
    /// What is alive in it at most.
    pub parts: BTreeMap<Part, Bytes>,
}

impl PhasePlan {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> Bytes {
        self.parts.values().copied().sum()
    }

    fn add(&mut self, part: Part, bytes: Bytes) {
        let sum: &mut Bytes = self.parts.entry(part).or_default();
        *sum = *sum + bytes;
    }

    /// That in the memory of the host, if the device has its own.
    fn on_host(&self) -> Bytes {
        self.parts.iter().filter(|(part, _)| !part.is_on_device()).map(|(_, &bytes)| bytes).sum()
    }
}

/// How much memory a run takes.
///
/// ```
/// use burn_pg::{Config, MemoryPlan, envs};
///
/// let config = Config { num_envs: 2048, total_steps: 1_000_000, ..Config::default() }.validate()?;
/// let plan = MemoryPlan::of(&config, &envs::spec(&config.env)?);
/// println!("{plan}");
/// plan.check(&config, &envs::spec(&config.env)?, burn_pg::available_memory())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemoryPlan {
    /// The phases of an update after the first, in their order.
    pub phases: Vec<PhasePlan>,
    /// Has the device memory of its own?
    pub has_device_memory: bool,
    #[serde(skip)]
    backend: Backend,
}

impl MemoryPlan {
    /// That of training [`ActorCritic`](crate::policy::ActorCritic) in environments of this specification. The device
    /// `auto` is taken for `flex`. For `reinforce`, whose rollouts are of whole episodes, these are as long as they can be.
    #[must_use]
    pub fn of(config: &CheckedConfig, spec: &EnvSpec) -> Self {
        let backend = match config.device {
            DeviceChoice::Auto => Backend::Flex,
            DeviceChoice::Backend(backend) => backend,
        };
        let phases = Parts::new(config, spec, backend).phases();
        Self { phases, has_device_memory: !backend.is_cpu(), backend }
    }

    /// With an evaluation after training, whose environments are made before it.
    #[must_use]
    pub fn with_evaluation(mut self, config: &CheckedConfig, spec: &EnvSpec) -> Self {
        let parts = Parts::new(config, spec, self.backend);
        let waiting = parts.waiting(config.eval_episodes as u64);
        for phase in &mut self.phases {
            phase.add(Part::Evaluation, waiting);
        }
        self.phases.push(parts.evaluation("evaluation", config.eval_episodes as u64));
        self
    }

    /// With the checkpoints that are saved between updates: copies of weights and of what the optimiser remembers, the environments
    /// as data, and the files of them; and with the evaluations of checkpoints, if there are any.
    #[must_use]
    pub fn with_checkpoints(mut self, config: &CheckedConfig, spec: &EnvSpec) -> Self {
        let parts = Parts::new(config, spec, self.backend);
        self.phases.extend(parts.checkpoint(config, spec));
        if config.checkpoint.eval_episodes > 0 {
            self.phases.push(parts.evaluation("its evaluation", config.checkpoint.eval_episodes as u64));
        }
        self
    }

    /// The phase that takes most.
    ///
    /// # Panics
    /// If there are no phases.
    #[must_use]
    pub fn peak(&self) -> &PhasePlan {
        self.phases.iter().max_by_key(|phase| phase.total()).expect("an update has phases")
    }

    /// What the memory of this machine must hold at most: everything, unless the device has memory of its own.
    #[must_use]
    pub fn host_peak(&self) -> Bytes {
        let of = |phase: &PhasePlan| if self.has_device_memory { phase.on_host() } else { phase.total() };
        self.phases.iter().map(of).max().unwrap_or_default()
    }

    /// Each part, with the most that it comes to in any phase.
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

/// Trainable parameters of the networks that a configuration asks for.
pub(crate) fn parameters(config: &CheckedConfig, spec: &EnvSpec) -> u64 {
    config.network().footprint(spec, false).parameters()
}

/// Memory that this process can take without others having to give theirs up, within the limits of its control groups. `None`
/// on all systems but Linux.
#[must_use]
pub fn available_memory() -> Option<Bytes> {
    device::memory::available().map(Bytes)
}

/// A table of the parts and one of the phases.
impl fmt::Display for MemoryPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peak = self.peak();
        writeln!(f, "{:<20} {:>12} {:>18}   {:>12}", "part", "at most", "bytes", "at the peak")?;
        for (part, bytes) in self.parts() {
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
            write!(f, "\n{:<20} {:>12} {:>18}", "of it on the host", self.host_peak(), self.host_peak().0)?;
        }
        Ok(())
    }
}
