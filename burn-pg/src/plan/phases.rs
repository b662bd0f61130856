//! The phases of an update, and what is alive in each.

use std::collections::BTreeMap;

use burn_pg_envs::{EnvSpec, Space};

use super::{Bytes, Part, PhasePlan, networks::Networks, samples::Samples};
use crate::{
    config::{Algo, CheckedConfig},
    device::Backend,
    loss::TermSpec,
    optim::{OptimiserSpec, RmsPropSpec, SgdSpec},
};

/// What a run begins with besides: specifications, names, and room for the statistics of episodes.
const BASE: Bytes = Bytes(24 << 10);
/// What matrix products that are no kernels keep of a thread's memory: the `gemm` crate, which the `flex` backend uses, takes as much
/// as there is cache of the second level.
fn products() -> Bytes {
    #[cfg(feature = "flex")]
    return Bytes(gemm_common::cache::CACHE_INFO[1].cache_bytes as u64);
    #[cfg(not(feature = "flex"))]
    return Bytes(512 << 10);
}

/// The metrics of one step: eight numbers on the device, in tensors of their own and then in one.
const METRICS: Bytes = Bytes(600);

/// Everything that the phases are put together from.
pub(super) struct Counted {
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
    pub fn new(config: &CheckedConfig, spec: &EnvSpec, backend: Backend) -> Self {
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
            (_, true) => [2 * outputs + 2, outputs + 1],
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

    pub fn phases(&self) -> Vec<PhasePlan> {
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
            (Part::Environments, samples.environments() + samples.streams()),
            (Part::Rollout, samples.rollout(self.on_host)),
            (Part::BlockRecords, samples.blocks(self.on_host, networks.widest(), networks.outputs)),
            (Part::Activations, self.pooled()),
            (Part::Rest, if networks.has_ordinary_products() { BASE + products() } else { BASE }),
        ])
    }

    /// What threads keep of the kernels before: as much as was ever in use at once (`kernel/host/pool.rs`).
    fn pooled(&self) -> Bytes {
        let of_step = match self.algo {
            // The step of the policy is on all samples. Neither loss depends on both networks, and the graph of what a loss does
            // not depend on is freed in a later backward pass: until then it is there a second time.
            Algo::Trpo => self.networks.pooled(self.samples.rows) * 2,
            _ => Bytes(0),
        };
        of_step + self.networks.pooled(self.micro_batch)
    }

    fn phase(&self, name: &'static str, more: impl IntoIterator<Item = (Part, Bytes)>) -> PhasePlan {
        let mut phase = PhasePlan { name, parts: self.lasting() };
        for (part, bytes) in more {
            phase.add(part, bytes);
        }
        phase
    }

    fn rollout(&self) -> PhasePlan {
        let copy = if self.on_host { self.networks.on_host() } else { Bytes(0) };
        self.phase("rollout", [(Part::Snapshots, copy), (Part::Rollout, self.samples.values(self.on_host))])
    }

    pub fn checkpoint(&self) -> PhasePlan {
        let Self { parameters, moments, samples, has_reference, .. } = self;
        let tensors = *parameters * (1 + moments + u64::from(*has_reference)) + samples.remembered();
        // The numbers, and their file.
        self.phase("checkpoint", [(Part::Snapshots, tensors * 2), (Part::Environments, samples.checkpoint())])
    }

    /// Environments that so many episodes are to be played in.
    pub fn waiting(&self, episodes: u64) -> Bytes {
        self.samples.waiting(episodes)
    }

    /// An evaluation over so many episodes, all of them at once.
    pub fn evaluation(&self, name: &'static str, episodes: u64) -> PhasePlan {
        let Self { networks, samples, on_host, .. } = self;
        let copy = if *on_host { networks.on_host() } else { Bytes(0) };
        let on_the_way = if *on_host { 0 } else { networks.on_the_way() };
        let playing = samples.evaluating(episodes, networks.outputs, on_the_way);
        self.phase(name, [(Part::Evaluation, self.waiting(episodes) + playing), (Part::Snapshots, copy)])
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
