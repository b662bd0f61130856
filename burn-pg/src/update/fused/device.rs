//! Minibatches in kernels for GPUs.

use std::iter;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use super::{
    form::{DevicePasses, FusedOnDevice, HostMetrics, Trained},
    terms::{Sums, Terms},
    unfused::Unfused,
};
use crate::{
    device::{Failed, readback::read},
    distribution::ActionTensor,
    kernel::cube::{
        AdamPlan, Buffer, COEFFICIENTS, Client, DeviceHead, DeviceNetwork, DeviceStep, DeviceTerm, MinibatchPlan,
        PARTS, Pass, SampleBuffers, StepBuffers, Tile, adam, advantage_statistics, client, fit_minibatch, half_bits,
        minibatch, norms_of, reduce, workgroups_of,
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
    names_of_moments: [&'static str; 2],
    state: OptimiserState,
    terms: Terms,
    max_grad_norm: f64,
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
        let reasons = [
            (networks.trunk.is_some(), reason::SHARED),
            (action_mask.is_some(), reason::MASKED),
            (columns.get(ContextPart::Weights).is_some(), "samples are weighted"),
        ];
        if let Some((_, reason)) = reasons.into_iter().find(|(holds, _)| *holds) {
            return Err(Unfused::Policy(reason));
        }
        let head = DeviceHead::new(&networks.head, networks.actor.outputs());
        let of_critic = terms.read(ContextPart::Values);
        let place = networks.critic.clone().filter(|_| of_critic);
        let [len] = parameters.dims();
        let places = [Some(networks.actor.parameters.len()), place.as_ref().map(|place| place.parameters.len())];
        let trained: usize = places.into_iter().flatten().sum::<usize>() + head.log_stds();
        if networks.len != len || trained != len || (of_critic && place.is_none()) || parameters.dtype() != DType::F32 {
            return Err(Unfused::Policy(reason::OWN));
        }
        let rule = learner.optimiser.host_rule().ok_or(Unfused::Optimiser)?;
        let names_of_moments = rule.moments().ok_or(Unfused::OptimiserOnGpu)?;

        let given = COLUMNS.map(|part| columns.get(part).filter(|_| terms.read(part)));
        let [rows, inputs] = observations.dims();
        // Kernels count elements with 32 bits.
        let fits = inputs == networks.actor.sizes[0][0]
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
            coefficients.extend([term.weight, values[0], values[1]]);
        }
        let plan = |rows: usize, tile: Tile| MinibatchPlan {
            actor: DeviceNetwork::new(&networks.actor, networks.activation, rows),
            critic: place.as_ref().map(|place| DeviceNetwork::new(place, networks.activation, rows)),
            head: head.clone(),
            terms: device_terms.clone(),
            reports: metrics_at,
            parameters: len,
            tile,
            normalized: learner.normalize_advantages && given[1].is_some(),
            columns: given.each_ref().map(Option::is_some),
        };
        let plan = fit_minibatch(&client, plan)?;
        let device = parameters.device();
        let inner = |tensor: Tensor<1>| if tensor.device() == device { tensor } else { tensor.inner() };
        let given: Vec<Tensor<1>> = given.into_iter().flatten().map(inner).collect();
        let advantages = columns.get(ContextPart::Advantages).map_or_else(|| Tensor::zeros([1], &device), inner);
        Ok(Self {
            client,
            plan,
            rule,
            names_of_moments,
            state: learner.optimiser.state(),
            max_grad_norm: learner.max_grad_norm,
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
        let (sums, parts) = (self.plan.sums(), workgroups_of(pass.size, self.plan.tile));
        let [of_sums, of_total, of_norms] =
            [sums * parts as usize, sums, 2 * norms_of(sums)].map(|len| Tensor::<1>::empty([len], &self.device));
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
        let parts = workgroups_of(size, self.plan.tile);
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
        let sizes = (0..steps as u64).flat_map(|step| {
            let (step, decay) = self.rule.adam(self.state.steps + step + 1, passes.learning_rate).expect("it is Adam");
            [step.step_size, 1.0 / step.correction, decay]
        });
        // Kernels change them in place, so they are copied.
        let copy = |tensor: &Tensor<1>| tensor.clone().mul_scalar(1.0);
        let parameters = copy(&self.parameters);
        let moments = self.names_of_moments.map(|name| match self.state.tensors.get(name) {
            None => Tensor::zeros([len], &self.device),
            Some(moment) => copy(moment),
        });
        let metrics = Tensor::<1>::empty([steps * (self.plan.reports + 1)], &self.device);
        let stopped = Tensor::<1>::zeros([epochs + 3], &self.device);
        let buffers = StepBuffers {
            parameters: buffer(&parameters),
            moments: moments.each_ref().map(buffer),
            sizes: buffer(&floats(sizes.collect(), &self.device)),
            metrics: buffer(&metrics),
            stopped: buffer(&stopped),
        };
        let samples = self.samples(&passes.seeds, &buffers.stopped, pass, steps);
        let scratch = self.scratch(pass);
        let (first, _) = self.rule.adam(1, passes.learning_rate).expect("it is Adam");
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
            adam(&self.client, &scratch.total, &scratch.norms, &buffers, step, AdamPlan::new(first));
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
        let named = self.names_of_moments.map(str::to_owned).into_iter().zip(moments);
        let state = OptimiserState { steps: self.state.steps + taken as u64, tensors: named.collect() };
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
