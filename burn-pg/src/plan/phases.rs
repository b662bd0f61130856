//! The phases of an update, and the memory allocated in each.

use std::collections::BTreeMap;

use burn_pg_envs::{EnvSpec, Space, is_of_python};

use super::part::{Part, PhasePlan};
use crate::{
    algorithm::{off_device, training_envs},
    config::{Algo, CheckedConfig},
    device::Backend,
    kernel::product_bytes,
    policy::{NetworkFootprint, reason},
    source::{SavedSize, SourceFootprint},
    storage::Bytes,
    update::Unfused,
};

/// Bytes of the rest of a run: specifications, names, and the statistics of episodes.
const BASE: u64 = 24 << 10;
/// Bytes of the metrics of one optimiser step: eight values on the device, in separate tensors and then in one.
const METRICS: u64 = 600;
/// Bytes of the metrics of one optimiser step without tensors.
const METRICS_ON_HOST: u64 = 300;

/// Most workgroups of a minibatch on a GPU, and the fewest rows that each of them takes at once.
const DEVICE_WORKGROUPS: u64 = 256;
const DEVICE_ROWS: u64 = 4;
/// Most columns of numbers that loss terms read.
const DEVICE_COLUMNS: u64 = 5;

/// The sizes of the parts of a run.
#[allow(clippy::struct_excessive_bools)] // four independent facts
pub(super) struct Parts {
    layers: NetworkFootprint,
    source: SourceFootprint,
    parameters: Bytes,
    /// Number of vectors in the state of the optimiser, each as long as the parameters.
    vectors: u64,
    has_reference: bool,
    /// Samples in a minibatch.
    minibatch: u64,
    /// Samples that are differentiated at once.
    micro_batch: u64,
    /// Optimiser steps in an update.
    steps: u64,
    algo: Algo,
    /// True if minibatches go through everything without tensors.
    is_fused: bool,
    /// True if the environments are on a GPU, and minibatches in kernels.
    is_on_device: bool,
    has_kernels_of_gpu: bool,
    /// Bytes of the state of the environments as text, if the next rollout is collected while the policy is improved.
    overlap: Option<Bytes>,
    /// True if the rollout is collected after it, because both use the same threads.
    takes_turns: bool,
    /// Number of actions that may be impossible, if they are masked.
    masks: u64,
    /// Elements of an observation and of an action.
    inputs: u64,
    action: u64,
    /// Elements per sample that a distribution keeps, and elements per sample that it needs temporarily.
    of_distribution: [u64; 2],
}

/// Returns why minibatches will go through tensors, if they will: what a [`Trainer`](crate::Trainer) will say.
pub(super) fn unfused(config: &CheckedConfig, spec: &EnvSpec, backend: Backend) -> Option<Unfused> {
    let has_images = spec.observation_space.parts().iter().any(|part| matches!(part, Space::Image { .. }));
    if backend == Backend::NdArray {
        return Some(Unfused::Device);
    }
    let Ok(network) = config.network() else { return Some(Unfused::Policy(reason::OWN)) };
    if let Some(reason) = network.beyond_perceptrons() {
        return Some(Unfused::Policy(reason));
    }
    has_images.then_some(Unfused::Samples)
}

impl Parts {
    pub fn new(config: &CheckedConfig, spec: &EnvSpec, backend: Backend) -> Self {
        let is_fused = unfused(config, spec, backend).is_none();
        let kernels = backend == Backend::Flex;
        let layers = match config.network() {
            Ok(network) => network.footprint(spec, kernels),
            Err(_) => NetworkFootprint::unknown(spec),
        };
        let source = SourceFootprint::new(config.source(), spec, &layers);
        let (epochs, minibatches) = config.algorithm.passes();
        let minibatches = minibatches as u64;
        let minibatch = source.rows.div_ceil(minibatches).next_multiple_of(source.unit);
        let micro =
            config.algorithm.micro_batch_size().map_or(minibatch, |size| (size as u64).next_multiple_of(source.unit));
        Self {
            parameters: Bytes(4) * layers.parameters(),
            takes_turns: kernels,
            overlap: config.rollout.overlap.then(|| Bytes(source.saved(SavedSize::estimate(spec))[1])),
            of_distribution: layers.of_distribution(&spec.action_space),
            layers,
            source,
            vectors: config.optimiser.kind.vectors() as u64,
            has_reference: config.has_reference(),
            minibatch,
            micro_batch: micro.min(minibatch),
            steps: (epochs as u64).saturating_mul(minibatches),
            algo: config.algorithm.algo(),
            is_fused,
            is_on_device: off_device(config, spec, backend).is_none(),
            has_kernels_of_gpu: is_fused && !backend.is_cpu(),
            masks: if spec.masks_actions { spec.action_space.mask_len() as u64 } else { 0 },
            inputs: spec.observation_space.flat_len() as u64,
            action: spec.action_space.flat_len() as u64,
        }
    }

    pub fn phases(&self) -> Vec<PhasePlan> {
        let mut phases = match self.is_on_device {
            true => vec![self.device_rollout()],
            false => vec![self.rollout(), self.advantages(), self.upload()],
        };
        phases.extend((self.algo == Algo::Trpo).then(|| self.trust_region()));
        match self.is_fused {
            true if self.has_kernels_of_gpu => phases.push(self.device_minibatches()),
            true => phases.push(self.minibatches()),
            false => phases.extend([self.shuffle(), self.forward(), self.backward(), self.step()]),
        }
        phases
    }

    /// Returns the largest buffer on a device: the parameters; the observations of a rollout; or, in kernels, the columns that
    /// loss terms read. (Kernels use fewer workgroups if the gradients of all would be too large for one buffer.)
    pub fn largest_buffer(&self) -> (Part, Bytes) {
        let observations = (Part::Batch, Bytes(4 * self.source.observed_len()) * self.source.rows);
        let columns = if self.has_kernels_of_gpu { self.device_columns() } else { Bytes(0) };
        let all = [(Part::Parameters, self.parameters), observations, (Part::ShuffledBatch, columns)];
        all.into_iter().max_by_key(|(_, bytes)| *bytes).expect("there are three")
    }

    /// The columns that loss terms read in kernels, and the flags of possible actions.
    fn device_columns(&self) -> Bytes {
        Bytes(4 * (DEVICE_COLUMNS + self.masks)) * self.source.rows
    }

    /// Most workgroups of a minibatch, each with a gradient.
    fn device_workgroups(&self) -> u64 {
        DEVICE_WORKGROUPS.min(self.minibatch.div_ceil(DEVICE_ROWS))
    }

    /// Returns a phase with the memory that is allocated throughout the run, and `more`.
    fn phase(&self, name: &'static str, more: impl IntoIterator<Item = (Part, Bytes)>) -> PhasePlan {
        let Self { layers, source, parameters, .. } = self;
        let reference = if self.has_reference { *parameters } else { Bytes(0) };
        let products = if layers.has_products_outside_kernels() { product_bytes() } else { 0 };
        let mut phase = PhasePlan { name, parts: BTreeMap::default() };
        let lasting = [
            (Part::Parameters, *parameters),
            (Part::OptimiserState, *parameters * self.vectors),
            (Part::Snapshots, reference),
            (Part::Environments, Bytes(source.environments())),
            (Part::BlockRecords, Bytes(source.blocks(layers.widest(), layers.outputs))),
            (Part::Rest, Bytes(BASE + products)),
        ];
        lasting.into_iter().chain(more).for_each(|(part, bytes)| phase.add(part, bytes));
        phase
    }

    fn rollout(&self) -> PhasePlan {
        let rollout = Bytes(self.source.rollout()) + Bytes(self.source.unseen());
        self.phase("rollout", [(Part::Snapshots, Bytes(self.layers.on_host())), (Part::Rollout, rollout)])
    }

    fn advantages(&self) -> PhasePlan {
        let source = &self.source;
        let targets = Bytes(source.targets()[0]) + Bytes(source.explained());
        // Earlier in this phase, the reference computes log-probabilities of the batch, one micro-batch at a time.
        let inferring = if self.has_reference { Bytes(self.layers.inferring()) * self.micro_batch } else { Bytes(0) };
        let experience = [(Part::Rollout, Bytes(source.rollout())), (Part::Batch, Bytes(source.observed()))];
        let computed = [(Part::Targets, targets), (Part::Activations, inferring)];
        self.phase("advantages", experience.into_iter().chain(computed))
    }

    fn upload(&self) -> PhasePlan {
        self.phase("upload", self.uploading())
    }

    fn uploading(&self) -> [(Part, Bytes); 3] {
        let source = &self.source;
        let [double, single] = source.targets();
        let batch = Bytes(source.observed()) + Bytes(source.uploading());
        let rollout = Bytes(source.rollout()) + Bytes(single);
        [(Part::Rollout, rollout), (Part::Targets, Bytes(double)), (Part::Batch, batch)]
    }

    /// A phase in which the policy is improved: the batch, the rest of the rollout, and `more`.
    fn improving(&self, name: &'static str, more: impl IntoIterator<Item = (Part, Bytes)>) -> PhasePlan {
        let source = &self.source;
        if self.is_on_device {
            let row = Bytes(4 * (self.inputs + self.action + 4));
            return self.phase(name, [(Part::Batch, row * source.rows)].into_iter().chain(more));
        }
        let mut phase = self.phase(name, [(Part::Batch, Bytes(source.batch()))].into_iter().chain(more));
        match self.overlap {
            None => phase.add(Part::Rollout, Bytes(source.kept_rollout())),
            Some(saved) if self.takes_turns => {
                phase.add(Part::Rollout, Bytes(source.kept_rollout()));
                phase.add(Part::Environments, saved);
            }
            Some(saved) => {
                // The policy that collects, on the device and on the host.
                let copies = [
                    (Part::Environments, saved + self.parameters * 2),
                    (Part::Snapshots, self.parameters),
                    (Part::Rollout, Bytes(source.unseen())),
                ];
                self.uploading().into_iter().chain(copies).for_each(|(part, bytes)| phase.add(part, bytes));
            }
        }
        phase
    }

    /// A rollout on a GPU: observations and final observations, actions, rewards and flags, log-probabilities, values and those of
    /// final observations, advantages and returns.
    fn device_rollout(&self) -> PhasePlan {
        let row = Bytes(4 * (2 * self.inputs + self.action + 7));
        let copies = (Part::Parameters, self.parameters);
        self.phase("rollout", [(Part::Batch, row * self.source.rows), copies])
    }

    /// The minibatches of all passes in kernels for a GPU: the columns once more as one vector, and for each workgroup a gradient.
    fn device_minibatches(&self) -> PhasePlan {
        let Self { source, parameters, .. } = self;
        let flags = Bytes(5 * self.masks) * source.rows;
        let more = [
            (Part::ShuffledBatch, self.device_columns() + flags),
            (Part::Metrics, Bytes(METRICS_ON_HOST + 4 * 16) * self.steps),
            (Part::Parameters, *parameters * 2),
            (Part::OptimiserState, *parameters * self.vectors),
            (Part::Gradients, *parameters * (self.device_workgroups() + 1)),
        ];
        self.improving("minibatches", more)
    }

    /// The minibatches of all passes, without tensors.
    fn minibatches(&self) -> PhasePlan {
        let Self { source, layers, parameters, .. } = self;
        let samples = Bytes(source.batch()) + Bytes(source.order()[1]);
        let [gradients, activations] =
            layers.fused(self.minibatch, source.batch().div_ceil(4 * source.rows)).map(Bytes);
        let more = [
            (Part::ShuffledBatch, samples),
            (Part::Metrics, Bytes(METRICS_ON_HOST) * self.steps),
            (Part::Parameters, *parameters),
            (Part::OptimiserState, *parameters * self.vectors),
            (Part::Gradients, gradients + *parameters),
            (Part::Activations, activations + Bytes(4) * self.minibatch),
        ];
        self.improving("minibatches", more)
    }

    fn shuffle(&self) -> PhasePlan {
        let order = (Part::ShuffledBatch, Bytes(self.source.order()[0]));
        let snapshot = (Part::Snapshots, self.snapshot());
        self.improving("shuffle", self.shuffled().into_iter().chain([order, snapshot]))
    }

    fn shuffled(&self) -> [(Part, Bytes); 2] {
        let shuffled = Bytes(self.source.batch()) + Bytes(self.source.order()[1]);
        [(Part::ShuffledBatch, shuffled), (Part::Metrics, Bytes(METRICS) * self.steps)]
    }

    /// Weights and optimiser state from before the update. They share memory with the current ones until the first
    /// step.
    fn snapshot(&self) -> Bytes {
        if self.steps > 1 { self.parameters * (1 + self.vectors) } else { Bytes(0) }
    }

    /// A phase in which a minibatch is differentiated: the memory allocated before the forward pass, and `more`.
    fn differentiating(&self, name: &'static str, more: impl IntoIterator<Item = (Part, Bytes)>) -> PhasePlan {
        let sum = if self.micro_batch < self.minibatch { self.parameters } else { Bytes(0) };
        let advantages = Bytes(4) * self.minibatch;
        let before = [(Part::Snapshots, self.snapshot()), (Part::Activations, advantages), (Part::Gradients, sum)];
        self.improving(name, self.shuffled().into_iter().chain(before).chain(more))
    }

    fn forward(&self) -> PhasePlan {
        let Self { layers, source, micro_batch: rows, of_distribution: [kept, passing], .. } = self;
        // Elements of the loss terms; the outputs of the networks are no longer needed by then.
        let of_terms = 6_u64.saturating_sub(layers.outputs);
        let heads = Bytes(4 * (*kept + of_terms.max(*passing))) * *rows;
        let activations = Bytes(layers.kept(*rows, source.unit)) + heads.max(Bytes(layers.temporary(*rows)));
        self.differentiating("forward", [(Part::Activations, activations)])
    }

    fn backward(&self) -> PhasePlan {
        let Self { layers, source, micro_batch: rows, of_distribution: [kept, _], .. } = self;
        let [sums, output_gradients] = layers.backward(*rows).map(Bytes);
        let activations = Bytes(layers.kept(*rows, source.unit)) + Bytes(4 * kept) * *rows + output_gradients;
        self.differentiating("backward", [(Part::Activations, activations), (Part::Gradients, sums)])
    }

    fn step(&self) -> PhasePlan {
        let new = u64::from(self.steps > 1);
        let (parameters, vectors) = (self.parameters, self.parameters * self.vectors);
        let more = [
            (Part::Snapshots, parameters + vectors),
            // The clipped gradient. The gradient before clipping is freed by then.
            (Part::Gradients, parameters),
            (Part::Parameters, parameters * new),
            (Part::OptimiserState, vectors * new),
        ];
        self.improving("step", self.shuffled().into_iter().chain(more))
    }

    /// The policy step of `trpo`, which uses all samples at once.
    fn trust_region(&self) -> PhasePlan {
        let Self { source, of_distribution: [kept, _], .. } = self;
        let (layers, rows) = (self.layers.of_actor(), source.rows);
        // Elements of each sample that the matrix of curvature keeps, or that the KL divergence needs.
        let curvature = if self.is_fused { source.observed_len() + 1 } else { 3 * layers.outputs + 42 };
        let kl_divergence = Bytes(4 * curvature) * rows;
        let [sums, output_gradients] = layers.backward(rows).map(Bytes);
        let activations =
            Bytes(layers.kept(rows, source.unit)) + Bytes(4 * kept) * rows + kl_divergence + output_gradients;
        let vectors = sums + self.parameters * 8;
        self.improving("trust region", [(Part::Activations, activations), (Part::Gradients, vectors)])
    }

    /// The two phases of saving a checkpoint. The first has its state as JSON values, as text, and as values parsed
    /// from the text; the second has its tensors and their file.
    pub fn checkpoint(&self, config: &CheckedConfig, spec: &EnvSpec) -> [PhasePlan; 2] {
        let envs = |count| config.env.make(count).and_then(|envs| training_envs(envs, config));
        // Processes are not started for a plan; environments of Python save little.
        let measured = if is_of_python(&config.env.name) { None } else { SavedSize::measure(envs).ok() };
        let each = measured.unwrap_or_else(|| SavedSize::estimate(spec));
        let [values, text] = self.source.saved(each).map(Bytes);
        let tensors = self.parameters * (1 + self.vectors + u64::from(self.has_reference));
        let tensors = (tensors + Bytes(self.source.saved_tensors())) * 2;
        let rollout = (Part::Rollout, Bytes(self.source.kept_rollout()));
        [
            self.phase("checkpoint", [rollout, (Part::Environments, values * 2 + text)]),
            self.phase("its files", [rollout, (Part::Environments, text), (Part::Snapshots, tensors)]),
        ]
    }

    /// Returns the memory of the environments for an evaluation over `episodes` episodes.
    pub fn evaluation_envs(&self, episodes: u64) -> Bytes {
        Bytes(self.source.fresh_env()) * episodes
    }

    /// An evaluation over `episodes` episodes, which run all at once.
    pub fn evaluation(&self, name: &'static str, episodes: u64) -> PhasePlan {
        let Self { layers, source, .. } = self;
        let inferring = if layers.act_on_host() { 0 } else { layers.inferring() };
        let each = source.fresh_env() + source.evaluated_env(layers.outputs) + inferring;
        let rollout = (Part::Rollout, Bytes(source.kept_rollout()));
        let copy = (Part::Snapshots, Bytes(layers.on_host()));
        self.phase(name, [rollout, (Part::Evaluation, Bytes(each) * episodes), copy])
    }
}
