//! Minibatches in kernels for GPUs.

use std::iter;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use super::{
    form::{DevicePasses, FusedOnDevice, HostMetrics, Trained},
    terms::{Sums, Terms},
    unfused::Unfused,
};
use crate::{
    device::{AdapterLimit, Failed, readback::read},
    distribution::ActionTensor,
    kernel::cube::{
        Buffer, COEFFICIENTS, Client, DeviceHead, DeviceNetwork, DeviceStep, DeviceTerm, MOST_WORKGROUPS,
        MinibatchPlan, PARTS, Pass, RulePlan, SampleBuffers, StepBuffers, Tile, advantage_statistics, client,
        fit_minibatch, half_bits, minibatch, norms_of, reduce, sizes_of, take_step, workgroups_of,
    },
    loss::ContextPart,
    optim::{HostRule, OptimiserState},
    policy::{Policy, reason},
    source::{FlatSamples, Samples},
    update::Learner,
};

/// Trains a policy on minibatches of samples, on their GPU. The results are those of [`Fused`](super::form::Fused) on the host, up
/// to rounding; only the random order of the samples is another one.
pub(in crate::update) struct DeviceMinibatches {
    client: Client,
    device: Device,
    plan: MinibatchPlan,
    rule: HostRule,
    state: OptimiserState,
    terms: Terms,
    max_grad_norm: f64,
    /// Most workgroups of a minibatch: the gradients of all are in one buffer.
    most_parts: u32,
    /// False if no term depends on the critic.
    trains_all: bool,
    rows: usize,
    mass_per_row: f64,
    parameters: Tensor<1>,
    observations: Tensor<2>,
    actions: ActionTensor,
    /// Shape `[columns, B]`.
    columns: Tensor<1>,
    advantages: Tensor<1>,
    coefficients: Tensor<1>,
}

/// The columns of samples that terms may read, in the order of [`MinibatchPlan::columns`].
const COLUMNS: [ContextPart; 5] = [
    ContextPart::OldLogProbs,
    ContextPart::Advantages,
    ContextPart::Returns,
    ContextPart::OldValues,
    ContextPart::ReferenceLogProbs,
];

const ON_GPU: &str = "the samples are on a GPU";

impl DeviceMinibatches {
    pub fn new<P: Policy, S: Samples<P>>(
        learner: &Learner,
        policy: &P,
        samples: &S,
        parameters: Tensor<1>,
    ) -> Result<Self, Unfused> {
        let client = client(&parameters).ok_or(Unfused::Device)?;
        let networks = policy.perceptrons().map_err(Unfused::Policy)?;
        let FlatSamples { observations, action_mask, actions, columns } = samples.flat().ok_or(Unfused::Samples)?;
        let terms = Terms::new(&learner.objective, columns.progress())?;
        if columns.get(ContextPart::Weights).is_some() {
            return Err(Unfused::WeightsOnGpu);
        }
        let head = DeviceHead::new(&networks.head, networks.actor.outputs());
        let of_critic = terms.read(ContextPart::Values);
        let place = networks.critic.clone().filter(|_| of_critic);
        let [len] = parameters.dims();
        let trunk = networks.trunk.as_ref();
        let places = [trunk, Some(&networks.actor), networks.critic.as_ref()];
        let known: usize = places.into_iter().flatten().map(|place| place.parameters.len()).sum();
        let known = known + head.log_stds();
        if networks.len != len || known != len || (of_critic && place.is_none()) || parameters.dtype() != DType::F32 {
            return Err(Unfused::Policy(reason::OWN));
        }
        let rule = learner.optimiser.host_rule().ok_or(Unfused::Optimiser)?;

        let given = COLUMNS.map(|part| columns.get(part).filter(|_| terms.read(part)));
        let [rows, inputs] = observations.dims();
        // Kernels count elements with 32 bits.
        let masks = action_mask.as_ref().map_or(0, |mask| mask.dims()[1]);
        let fits = inputs == trunk.unwrap_or(&networks.actor).sizes[0][0]
            && (masks == 0 || masks == networks.actor.outputs())
            && u32::try_from(rows.saturating_mul(inputs)).is_ok()
            && fits(&head, &actions, rows);
        if !fits
            || !terms
                .are_given(|part| COLUMNS.iter().zip(&given).any(|(known, column)| *known == part && column.is_some()))
        {
            return Err(Unfused::Samples);
        }
        let (mut device_terms, mut coefficients) = (Vec::new(), Vec::new());
        let mut metrics_at = terms.all().len();
        for (i, term) in terms.all().iter().enumerate() {
            let (device_term, values) = DeviceTerm::new(term.form, i * COEFFICIENTS, [i, metrics_at]);
            metrics_at += device_term.metrics;
            device_terms.push(device_term);
            coefficients.push(term.weight);
            coefficients.extend(values);
        }
        let plan = |rows: usize, tile: Tile| MinibatchPlan {
            actor: DeviceNetwork::new(trunk, &networks.actor, networks.activation, rows),
            critic: place.as_ref().map(|place| {
                let network = DeviceNetwork::new(trunk, place, networks.activation, rows);
                network.adding(trunk.map_or(0, |trunk| trunk.sizes.len()))
            }),
            head: head.clone(),
            terms: device_terms.clone(),
            reports: metrics_at,
            parameters: len,
            tile,
            normalized: learner.normalize_advantages && given[1].is_some(),
            columns: given.each_ref().map(Option::is_some),
            masks,
        };
        let plan = fit_minibatch(&client, plan)?;
        let width = given.iter().flatten().count() + masks;
        let largest = client.properties().memory.max_page_size.min(4 * u64::from(u32::MAX));
        let (needed, of_gradient) = (4 * rows as u64 * width as u64, 4 * plan.sums() as u64);
        if needed.max(of_gradient) > largest {
            return Err(Unfused::Adapter(AdapterLimit::Buffer { needed: needed.max(of_gradient), available: largest }));
        }
        #[allow(clippy::cast_possible_truncation)] // at most the first number
        let most_parts = u64::from(MOST_WORKGROUPS).min(largest / of_gradient) as u32;
        let device = parameters.device();
        let inner = |tensor: Tensor<1>| if tensor.device() == device { tensor } else { tensor.inner() };
        let mut given: Vec<Tensor<1>> = given.into_iter().flatten().map(inner).collect();
        // One column for each action.
        given.extend(action_mask.map(|mask| mask.float().transpose().reshape([rows * masks])));
        let advantages = columns.get(ContextPart::Advantages).map_or_else(|| Tensor::zeros([1], &device), inner);
        Ok(Self {
            client,
            plan,
            rule,
            state: learner.optimiser.state(),
            max_grad_norm: learner.max_grad_norm,
            most_parts,
            trains_all: place.is_some() == networks.critic.is_some(),
            rows,
            mass_per_row: columns.mass() / rows as f64,
            parameters,
            observations,
            actions,
            columns: if given.is_empty() { Tensor::zeros([1], &device) } else { Tensor::cat(given, 0) },
            advantages,
            coefficients: floats(coefficients, &device),
            terms,
            device,
        })
    }

    fn pass(&self, minibatches: usize) -> Pass {
        let (rows, size) = (self.rows, self.rows.div_ceil(minibatches));
        Pass { rows, size, minibatches: rows.div_ceil(size), half_bits: half_bits(rows) }
    }

    fn samples(&self, seeds: &[u32], stopped: &Buffer, pass: Pass, steps: usize) -> SampleBuffers {
        let statistics = Tensor::<1>::empty([steps * PARTS * 3], &self.device);
        let seeds: Vec<i32> = seeds.iter().map(|&seed| seed.cast_signed()).collect();
        let seeds = Tensor::<1, Int>::from_data(TensorData::from(&seeds[..]), (&self.device, DType::I32));
        let (actions, integers) = match self.actions.clone() {
            ActionTensor::Discrete(actions) => (Buffer::of_ints(actions), true),
            ActionTensor::MultiDiscrete(actions) => (Buffer::of_ints(actions), true),
            ActionTensor::MultiBinary(actions) | ActionTensor::Continuous(actions) => (Buffer::of(actions), false),
        };
        let samples = SampleBuffers {
            observations: Buffer::of(self.observations.clone()).expect(ON_GPU),
            actions: actions.expect(ON_GPU),
            integers,
            columns: buffer(&self.columns),
            statistics: buffer(&statistics),
            seeds: Buffer::of_ints(seeds).expect(ON_GPU),
            coefficients: buffer(&self.coefficients),
            stopped: stopped.clone(),
        };
        if self.plan.normalized {
            let advantages = buffer(&self.advantages);
            advantage_statistics(&self.client, &advantages, &samples.statistics, &samples.seeds, steps, pass);
        }
        samples
    }

    fn scratch(&self, pass: Pass) -> Scratch {
        let (sums, parts) = (self.plan.sums(), workgroups_of(pass.size, self.plan.tile).min(self.most_parts));
        let [of_total, of_norms] = [sums, 2 * norms_of(sums)].map(|len| Tensor::<1>::empty([len], &self.device));
        let shape = [sums * parts as usize];
        // The gradient of a critic that no term trains is written by no kernel.
        let of_sums =
            if self.trains_all { Tensor::<1>::empty(shape, &self.device) } else { Tensor::zeros(shape, &self.device) };
        let [sums, total, norms] = [&of_sums, &of_total, &of_norms].map(buffer);
        Scratch { sums, total, norms, of_total }
    }

    /// Writes the gradient of a minibatch of `size` samples.
    fn differentiate(
        &self,
        parameters: &Buffer,
        samples: &SampleBuffers,
        scratch: &Scratch,
        pass: Pass,
        index: usize,
        size: usize,
    ) {
        #[allow(clippy::cast_possible_truncation)] // kernels use single precision
        let inverse_mass = (1.0 / (self.mass_per_row * size as f64)) as f32;
        let parts = workgroups_of(size, self.plan.tile).min(self.most_parts);
        minibatch(&self.client, parameters, samples, &scratch.sums, pass, index, parts, inverse_mass, &self.plan);
        let shape = [self.plan.sums(), self.plan.parameters];
        let Scratch { sums, total, norms, .. } = scratch;
        reduce(&self.client, sums, total, norms, &samples.stopped, index / pass.minibatches, parts, shape);
    }

    /// Returns the metrics of a minibatch of `size` samples from its reports and the norm of its gradient.
    fn metrics(&self, row: &[f32], size: usize) -> HostMetrics {
        let (norm, reports) = row.split_last().expect("a row ends with the norm");
        let sums = Sums::of(reports.iter().copied().map(f64::from).collect());
        let mut metrics = self.terms.metrics(iter::once(&sums), self.mass_per_row * size as f64, size as f64);
        metrics.push(("grad_norm", f64::from(*norm)));
        metrics
    }
}

impl FusedOnDevice for DeviceMinibatches {
    fn train(&self, passes: &DevicePasses) -> Result<Trained, Failed> {
        let [len] = self.parameters.dims();
        let pass = self.pass(passes.minibatches);
        let (epochs, steps) = (passes.seeds.len(), passes.seeds.len() * pass.minibatches);
        let sizes = (0..steps as u64)
            .flat_map(|step| sizes_of(self.rule.at(self.state.steps + step + 1, passes.learning_rate)));
        // Kernels change them in place, so they are copied.
        let copy = |tensor: &Tensor<1>| tensor.clone().mul_scalar(1.0);
        let parameters = copy(&self.parameters);
        let names = self.rule.names();
        let vectors = names.map(|name| match name.map(|name| self.state.tensors.get(name)) {
            None => Tensor::empty([1], &self.device),
            Some(None) => Tensor::zeros([len], &self.device),
            Some(Some(vector)) => copy(vector),
        });
        let rule = RulePlan::new(self.rule.at(1, passes.learning_rate), names.map(|name| name.is_some()));
        let metrics = Tensor::<1>::empty([steps * (self.plan.reports + 1)], &self.device);
        let stopped = Tensor::<1>::zeros([epochs + 3], &self.device);
        let buffers = StepBuffers {
            parameters: buffer(&parameters),
            vectors: vectors.each_ref().map(buffer),
            sizes: buffer(&floats(sizes.collect(), &self.device)),
            metrics: buffer(&metrics),
            stopped: buffer(&stopped),
        };
        let samples = self.samples(&passes.seeds, &buffers.stopped, pass, steps);
        let scratch = self.scratch(pass);
        let last_size = self.rows - pass.size * (pass.minibatches - 1);
        let kl = self.terms.names().position(|name| name == "approx_kl").filter(|_| passes.target_kl.is_finite());
        for index in 0..steps {
            let is_last = (index + 1).is_multiple_of(pass.minibatches);
            let size = if is_last { last_size } else { pass.size };
            let epoch = index / pass.minibatches;
            self.differentiate(&buffers.parameters, &samples, &scratch, pass, index, size);
            let step = DeviceStep {
                parameters: len,
                reports: self.plan.reports,
                index,
                epoch,
                epochs,
                is_last,
                max_norm: self.max_grad_norm,
                early_stop: kl.map(|report| (report, passes.target_kl * last_size as f64)),
            };
            take_step(&self.client, &scratch.total, &scratch.norms, &buffers, step, rule);
        }
        let [metrics, stopped] = read([metrics, stopped])?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a count
        let taken = stopped[epochs + 1] as usize;
        let sizes =
            (0..taken).map(|index| if (index + 1).is_multiple_of(pass.minibatches) { last_size } else { pass.size });
        let mut metrics: Vec<HostMetrics> =
            metrics.chunks(self.plan.reports + 1).zip(sizes).map(|(row, size)| self.metrics(row, size)).collect();
        if stopped[epochs + 2] != 0.0 {
            metrics.push(vec![("weights", f64::NAN)]);
        }
        let tensors = names.into_iter().zip(vectors).filter_map(|(name, vector)| Some((name?.to_owned(), vector)));
        let state = OptimiserState { steps: self.state.steps + taken as u64, tensors: tensors.collect() };
        Ok(Trained { parameters, state, metrics, epochs: taken.div_ceil(pass.minibatches) })
    }

    fn gradient(&self) -> Result<(Tensor<1>, HostMetrics), Failed> {
        let pass = self.pass(1);
        let stopped = buffer(&Tensor::zeros([4], &self.device));
        let samples = self.samples(&[0], &stopped, pass, 1);
        let scratch = self.scratch(pass);
        self.differentiate(&buffer(&self.parameters), &samples, &scratch, pass, 0, self.rows);
        let [len] = self.parameters.dims();
        let [total] = read([scratch.of_total.clone()])?;
        let mut metrics = self.metrics(&[&total[len..], &[0.0]].concat(), self.rows);
        metrics.pop();
        Ok((scratch.of_total.narrow(0, 0, len), metrics))
    }
}

/// Buffers between the launches of a minibatch.
struct Scratch {
    sums: Buffer,
    total: Buffer,
    norms: Buffer,
    of_total: Tensor<1>,
}

fn buffer(tensor: &Tensor<1>) -> Buffer {
    Buffer::of(tensor.clone()).expect(ON_GPU)
}

#[allow(clippy::cast_possible_truncation)] // kernels use single precision
fn floats(values: Vec<f64>, device: &Device) -> Tensor<1> {
    let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
    let len = values.len();
    Tensor::from_data(TensorData::new(values, [len]), device)
}

/// True if the actions have the kind and the number of components of the head.
fn fits(head: &DeviceHead, actions: &ActionTensor, rows: usize) -> bool {
    let (kind, shape) = match actions {
        ActionTensor::Discrete(actions) => (matches!(head, DeviceHead::Logits(_)), [actions.dims()[0], 1]),
        ActionTensor::MultiDiscrete(actions) => (matches!(head, DeviceHead::Logits(_)), actions.dims()),
        ActionTensor::MultiBinary(actions) => (matches!(head, DeviceHead::Bernoulli(_)), actions.dims()),
        ActionTensor::Continuous(actions) => (matches!(head, DeviceHead::Gaussian { .. }), actions.dims()),
    };
    kind && shape == [rows, head.components()]
}
