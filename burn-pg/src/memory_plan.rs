//! How much memory a run will take, before any of it is allocated.
//!
//! The plan follows the loop of the [`Trainer`](crate::Trainer) and counts what is alive in each of its phases: the peak of a
//! run is that of its largest phase, not the sum of all that is ever there. What is counted, and how well it agrees with what
//! is measured, is in `docs/memory.md`.

mod available;
mod bytes;
mod fit;
mod networks;
mod samples;

use std::{collections::BTreeMap, fmt};

use burn_pg_envs::{EnvSpec, Space};
use serde::Serialize;

use crate::{
    config::{Algo, CheckedConfig},
    device::{Backend, DeviceChoice},
    loss::TermSpec,
    optim::{OptimiserSpec, RmsPropSpec, SgdSpec},
};
use networks::Networks;
use samples::Samples;

pub use available::available_memory;
pub use bytes::Bytes;
pub use fit::{DoesNotFit, Remedy};

/// What a run begins with besides: specifications, names, and room for the statistics of episodes.
const BASE: Bytes = Bytes(24 << 10);
/// What matrix products that are no kernels keep of a thread's memory, with the `gemm` crate that the `flex` backend uses.
const PRODUCTS: Bytes = Bytes(512 << 10);
/// The metrics of one step: eight numbers on the device, in tensors of their own and then in one.
const METRICS: Bytes = Bytes(600);
/// Arrays that a thread keeps for the next kernels: see `kernel/host/pool.rs`.
const POOLED_ARRAYS: u64 = 64;

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
    /// The environments that the policy is evaluated in after training.
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
        match self {
            Self::Parameters
            | Self::Gradients
            | Self::OptimiserState
            | Self::Snapshots
            | Self::Batch
            | Self::ShuffledBatch
            | Self::Activations
            | Self::Metrics => true,
            Self::Environments | Self::Rollout | Self::BlockRecords | Self::Targets | Self::Evaluation | Self::Rest => {
                false
            }
        }
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
    /// That of training [`MlpActorCritic`](crate::policy::MlpActorCritic) in environments of this specification. The device
    /// `auto` is taken for `flex`. For `reinforce`, whose rollouts are of whole episodes, these are as long as they can be.
    #[must_use]
    pub fn of(config: &CheckedConfig, spec: &EnvSpec) -> Self {
        let backend = match config.device {
            DeviceChoice::Auto => Backend::Flex,
            DeviceChoice::Backend(backend) => backend,
        };
        let phases = Counted::new(config, spec, backend).phases();
        Self { phases, has_device_memory: !backend.is_cpu(), backend }
    }

    /// With the environments of an evaluation after training, which are made before it.
    #[must_use]
    pub fn with_evaluation(mut self, config: &CheckedConfig, spec: &EnvSpec) -> Self {
        let samples = Samples::new(config, spec, 0, 0, false);
        let evaluation = samples.environments(config.eval_episodes as u64);
        for phase in &mut self.phases {
            phase.parts.insert(Part::Evaluation, evaluation);
        }
        self
    }

    /// With the checkpoints that are saved between updates: copies of weights and of what the optimiser remembers, and the file of
    /// both.
    #[must_use]
    pub fn with_checkpoints(mut self, config: &CheckedConfig, spec: &EnvSpec) -> Self {
        self.phases.push(Counted::new(config, spec, self.backend).checkpoint());
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

/// Everything that the phases are put together from.
struct Counted {
    networks: Networks,
    samples: Samples,
    /// Trainable numbers.
    parameters: Bytes,
    /// Vectors of that length that the optimiser remembers.
    moments: u64,
    has_reference: bool,
    /// Does the policy act on the host without tensors?
    on_host: bool,
    /// Samples of a minibatch, and those that are differentiated at once.
    minibatch: u64,
    micro_batch: u64,
    /// Steps of the optimiser in an update.
    steps: u64,
    algo: Algo,
    /// Numbers of each sample that a distribution keeps, and that it needs for a moment.
    of_distribution: [u64; 2],
}

impl Counted {
    fn new(config: &CheckedConfig, spec: &EnvSpec, backend: Backend) -> Self {
        let kernels = backend == Backend::Flex;
        let networks = Networks::new(config, spec, kernels);
        let has_reference = config.loss.iter().any(|summand| matches!(summand.term, TermSpec::KlToReference { .. }));
        let features = networks.widest();
        let samples = Samples::new(config, spec, networks.memory_len(), features, has_reference);
        let minibatches = config.num_minibatches as u64;
        let minibatch = samples.rows.div_ceil(minibatches).next_multiple_of(samples.unit);
        let micro = config.micro_batch_size.map_or(minibatch, |size| (size as u64).next_multiple_of(samples.unit));
        let moments = match config.optimiser {
            OptimiserSpec::Adam(_) | OptimiserSpec::AdamW(_) => 2,
            OptimiserSpec::RmsProp(RmsPropSpec { momentum, centered, .. }) => {
                1 + u64::from(momentum > 0.0) + u64::from(centered)
            }
            OptimiserSpec::Sgd(SgdSpec { momentum, .. }) => u64::from(momentum > 0.0),
        };
        let outputs = networks.outputs;
        let of_distribution = match (&spec.action_space, kernels) {
            (_, false) | (Space::MultiBinary { .. }, true) => [8 * outputs + 8, 4 * outputs],
            (Space::Box { .. }, true) if config.exploration.sde.is_some() => [8 * outputs + 8, 4 * outputs],
            (Space::Box { .. }, true) => [3 * outputs + 2, outputs + 1],
            (Space::Discrete { .. } | Space::MultiDiscrete { .. }, true) => [2 * outputs + 2, outputs + 1],
        };
        Self {
            on_host: kernels && samples_without_memory(&samples, config),
            parameters: Bytes::floats(networks.parameters()),
            networks,
            samples,
            moments,
            has_reference,
            minibatch,
            micro_batch: micro.min(minibatch),
            steps: (config.num_epochs as u64).saturating_mul(minibatches),
            algo: config.algo,
            of_distribution,
        }
    }

    fn phases(&self) -> Vec<PhasePlan> {
        let mut phases = vec![self.rollout(), self.advantages(), self.gather()];
        if self.algo == Algo::Trpo {
            phases.push(self.trust_region());
        }
        phases.extend([self.forward(), self.backward(), self.step()]);
        phases
    }

    /// What is there from the first update to the last.
    fn lasting(&self) -> BTreeMap<Part, Bytes> {
        let Self { networks, samples, parameters, .. } = self;
        let reference = if self.has_reference { *parameters } else { Bytes(0) };
        BTreeMap::from([
            (Part::Parameters, *parameters),
            (Part::OptimiserState, *parameters * self.moments),
            (Part::Snapshots, reference),
            (Part::Environments, samples.environments(samples.envs) + samples.streams()),
            (Part::Rollout, samples.rollout(self.on_host)),
            (Part::BlockRecords, samples.blocks(self.on_host, networks.widest(), networks.outputs)),
            (Part::Activations, self.pooled()),
            (Part::Rest, if networks.are_kernels() { BASE } else { BASE + PRODUCTS }),
        ])
    }

    /// What threads keep of the kernels before.
    fn pooled(&self) -> Bytes {
        let Self { networks, minibatch, micro_batch, .. } = self;
        if self.samples.is_whole_episodes() {
            // Each rollout has another length.
            return networks.pooled(*minibatch) * POOLED_ARRAYS.div_ceil(networks.arrays().max(1));
        }
        let lasting = networks.pooled(*micro_batch) + networks.pooled(minibatch % micro_batch);
        match self.algo {
            // The step of the policy is on all samples. Neither loss depends on both networks, and the graph of what a loss does
            // not depend on is freed in a later backward pass: until then it is there a second time.
            Algo::Trpo => lasting + networks.pooled_by_actor(*micro_batch) + networks.pooled(self.samples.rows) * 2,
            _ => lasting,
        }
    }

    fn phase(&self, name: &'static str, more: impl IntoIterator<Item = (Part, Bytes)>) -> PhasePlan {
        let mut parts = self.lasting();
        for (part, bytes) in more {
            let sum: &mut Bytes = parts.entry(part).or_default();
            *sum = *sum + bytes;
        }
        PhasePlan { name, parts }
    }

    fn rollout(&self) -> PhasePlan {
        let copy = if self.on_host { self.networks.on_host() } else { Bytes(0) };
        self.phase("rollout", [(Part::Snapshots, copy), (Part::Rollout, self.samples.values(self.on_host))])
    }

    fn checkpoint(&self) -> PhasePlan {
        let Self { parameters, moments, samples, has_reference, .. } = self;
        let tensors = *parameters * (1 + moments + u64::from(*has_reference));
        // As text, and with what is made of it to see that it can be read.
        let state = samples.environments(samples.envs) * 8;
        self.phase("checkpoint", [(Part::Snapshots, tensors * 2), (Part::Environments, state)])
    }

    fn advantages(&self) -> PhasePlan {
        self.phase("advantages", [(Part::Targets, self.samples.targets() + self.samples.explained())])
    }

    /// Uploads the rollout, and shuffles it.
    fn gather(&self) -> PhasePlan {
        let samples = &self.samples;
        let mut more = self.gathered().to_vec();
        more.push((Part::ShuffledBatch, samples.order()));
        more.push((Part::Snapshots, self.snapshot()));
        self.phase("gather", more)
    }

    fn gathered(&self) -> [(Part, Bytes); 4] {
        let samples = &self.samples;
        [
            (Part::Targets, samples.targets()),
            (Part::Batch, samples.batch()),
            (Part::ShuffledBatch, samples.batch()),
            (Part::Metrics, METRICS * self.steps),
        ]
    }

    /// Weights and optimiser before the update: the same as now before its first step.
    fn snapshot(&self) -> Bytes {
        if self.steps > 1 { self.parameters * (1 + self.moments) } else { Bytes(0) }
    }

    /// While a minibatch is differentiated: what there is before either pass.
    fn differentiating(&self, name: &'static str, more: impl IntoIterator<Item = (Part, Bytes)>) -> PhasePlan {
        let advantages = Bytes::floats(self.minibatch);
        let sum = if self.micro_batch < self.minibatch { self.parameters } else { Bytes(0) };
        let before = [(Part::Snapshots, self.snapshot()), (Part::Activations, advantages), (Part::Gradients, sum)];
        self.phase(name, self.gathered().into_iter().chain(before).chain(more))
    }

    fn forward(&self) -> PhasePlan {
        let Self { networks, samples, micro_batch: rows, of_distribution: [kept, passing], .. } = self;
        // Of the terms of the objective; the outputs of the networks are not needed any more by then.
        let of_terms = 6_u64.saturating_sub(networks.outputs);
        let of_networks = networks.passing(*rows);
        let heads = Bytes::floats(*kept + of_terms.max(*passing)) * *rows;
        let activations = networks.kept(*rows, samples.unit) + heads.max(of_networks);
        self.differentiating("forward", [(Part::Activations, activations)])
    }

    fn backward(&self) -> PhasePlan {
        let Self { networks, samples, micro_batch: rows, of_distribution: [kept, _], .. } = self;
        let activations = networks.kept(*rows, samples.unit) + Bytes::floats(*kept) * *rows;
        let [sums, slopes] = networks.backward(*rows);
        self.differentiating("backward", [(Part::Activations, activations + slopes), (Part::Gradients, sums)])
    }

    fn step(&self) -> PhasePlan {
        let new = u64::from(self.steps > 1);
        let (parameters, moments) = (self.parameters, self.parameters * self.moments);
        let more = [
            (Part::Snapshots, parameters + moments),
            // Clipped, if it was too long: the one before is gone by then.
            (Part::Gradients, parameters),
            (Part::Parameters, parameters * new),
            (Part::OptimiserState, moments * new),
        ];
        self.phase("step", self.gathered().into_iter().chain(more))
    }

    /// The step of the policy of `trpo`: on all samples at once.
    fn trust_region(&self) -> PhasePlan {
        let Self { networks, samples, of_distribution: [kept, _], .. } = self;
        let rows = samples.rows;
        let divergence = Bytes::floats(12 * networks.outputs + 6) * rows;
        let activations = networks.kept(rows, samples.unit) + Bytes::floats(*kept) * rows + divergence;
        let [sums, slopes] = networks.backward(rows);
        let vectors = self.parameters * 8;
        self.phase(
            "trust region",
            [
                (Part::Targets, samples.targets()),
                (Part::Batch, samples.batch()),
                (Part::Activations, activations + slopes),
                (Part::Gradients, sums + vectors),
            ],
        )
    }
}

fn samples_without_memory(samples: &Samples, config: &CheckedConfig) -> bool {
    !samples.remembers() && config.exploration.sde.is_none()
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

#[cfg(test)]
mod tests {
    use burn_pg_envs::EnvRng;

    use super::*;
    use crate::{Config, device, optim::flatten_parameters, policy::MlpActorCritic};

    fn planned(settings: &str) -> (CheckedConfig, EnvSpec, MemoryPlan) {
        let settings = format!("total_steps = 10000000\n{settings}");
        let config = Config::from_table(settings.parse().unwrap()).unwrap().validate().unwrap();
        let spec = burn_pg_envs::spec(&config.env).unwrap();
        let plan = MemoryPlan::of(&config, &spec);
        (config, spec, plan)
    }

    #[test]
    fn parameters_are_those_of_the_networks() {
        let device = device::open(DeviceChoice::Auto).unwrap().device.autodiff();
        for settings in [
            "",
            "hidden_sizes = []",
            "hidden_sizes = [32, 16]\nshared_layers = true",
            "hidden_sizes = []\nshared_layers = true",
            "algo = 'reinforce'\nnum_epochs = 1\nnum_minibatches = 1",
            "env = 'Pendulum-v1'",
            "env = 'Pendulum-v1'\nexploration = { state_dependent = true }",
            "env = 'Pendulum-v1'\nexploration = { sde = {} }",
            "recurrence = { cell = 'gru', size = 8 }",
            "recurrence = { cell = 'lstm', size = 8 }\nshared_layers = true",
        ] {
            let (config, spec, plan) = planned(settings);
            let policy = MlpActorCritic::new(&spec, &config.mlp_shape(), &mut EnvRng::new(0), &device).unwrap();
            let [parameters] = flatten_parameters(&policy).dims();
            assert_eq!(plan.phases[0].parts[&Part::Parameters], Bytes::floats(parameters as u64), "{settings}");
        }
    }

    #[test]
    fn the_peak_is_that_of_the_largest_phase() {
        let (_, _, plan) = planned("num_envs = 2048\nnum_minibatches = 8");
        assert!(plan.phases.iter().all(|phase| phase.total() <= plan.peak().total()));
        let sum: Bytes = plan.parts().into_values().sum();
        assert!(plan.peak().total() < sum, "not everything is alive at once");
        assert_eq!(plan.host_peak(), plan.peak().total());
    }

    #[test]
    fn a_device_with_memory_of_its_own_takes_what_is_on_it() {
        let (_, _, plan) = planned("num_envs = 2048\nnum_minibatches = 8\ndevice = 'cuda'");
        assert!(plan.has_device_memory && plan.host_peak() < plan.peak().total());
        let shown = plan.to_string();
        assert!(shown.contains("of it on the host") && shown.contains("  on the device\n"), "{shown}");
    }

    #[test]
    fn parts_of_minibatches_take_less() {
        let whole = planned("num_envs = 256").2;
        let parts = planned("num_envs = 256\nmicro_batch_size = 512").2;
        assert!(parts.parts()[&Part::Activations].0 * 10 < whole.parts()[&Part::Activations].0);
        assert_eq!(parts.parts()[&Part::Batch], whole.parts()[&Part::Batch]);
    }

    #[test]
    fn the_largest_numbers_there_can_be_do_not_overflow() {
        let rollout = "num_envs = 1048576\nnum_steps = 64\nnum_epochs = 1000000\nnum_minibatches = 67108864";
        let settings = format!("{rollout}\nhidden_sizes = [4096, 4096]");
        let config = Config::from_table(settings.parse().unwrap()).unwrap();
        let config = Config { total_steps: 1 << 40, ..config }.validate().unwrap();
        let spec = burn_pg_envs::spec(&config.env).unwrap();
        let plan = MemoryPlan::of(&config, &spec);
        assert!(plan.peak().total() > Bytes(1 << 40));
        assert!(plan.with_evaluation(&config, &spec).parts().contains_key(&Part::Evaluation));
    }
}
