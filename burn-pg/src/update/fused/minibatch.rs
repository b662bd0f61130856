//! A minibatch in one parallel region.

use burn::tensor::{Device, Element, Tensor, TensorData};

use super::{
    form::Fused,
    networks::{NetworkRows, Networks},
    samples::{HostSamples, SampleRows, gather_rows},
    terms::{Sums, TermRows, Terms},
    unfused::Unfused,
};
use crate::{
    kernel::{
        host::{self, BLOCK, Real, add_rows, optim::clip_global_norm, rows_of_task},
        threads::for_each,
    },
    loss::{ContextPart, normalize_weighted},
    optim::{HostOptimiser, OptimiserState},
    policy::Policy,
    source::Samples,
    update::Learner,
};

/// Trains a policy on minibatches of samples.
pub(super) struct Minibatches<T> {
    /// Shape `[P]`.
    parameters: Vec<T>,
    samples: HostSamples<T>,
    networks: Networks<T>,
    terms: Terms,
    optimiser: HostOptimiser<T>,
    normalize_advantages: bool,
    max_grad_norm: f64,
    tasks: Vec<Task<T>>,
    device: Device,
}

/// A part of a minibatch, which one thread takes through everything.
#[derive(Debug, Clone, Default)]
struct Task<T> {
    /// The gradient of this part. Shape `[P]`.
    gradient: Vec<T>,
    sums: Sums,
    samples: SampleRows<T>,
    networks: NetworkRows<T>,
    terms: TermRows<T>,
}

impl<T: Real + Element> Minibatches<T> {
    pub fn new<P: Policy, S: Samples<P>>(
        learner: &Learner,
        policy: &P,
        samples: &S,
        parameters: Tensor<1>,
    ) -> Result<Self, Unfused> {
        let perceptrons = policy.perceptrons().map_err(Unfused::Policy)?;
        let flat = samples.flat().ok_or(Unfused::Samples)?;
        let terms = Terms::new(&learner.objective, flat.columns.progress())?;
        let networks = Networks::new(perceptrons, &terms)?;
        let samples = HostSamples::new(flat, |part| part == ContextPart::Weights || terms.read(part));
        let samples = samples.filter(|samples| terms.are_given(|part| !samples.column(part).is_empty()));
        let (device, [len]) = (parameters.device(), parameters.dims());
        Ok(Self {
            parameters: parameters.into_data().try_into_vec().map_err(|_| Unfused::Device)?,
            samples: samples.ok_or(Unfused::Samples)?,
            networks,
            terms,
            optimiser: HostOptimiser::of(&*learner.optimiser, len).ok_or(Unfused::Optimiser)?,
            normalize_advantages: learner.normalize_advantages,
            max_grad_norm: learner.max_grad_norm,
            tasks: Vec::new(),
            device,
        })
    }

    /// Computes the gradient of a minibatch, which is then that of the first task. Returns the metrics of the terms.
    fn differentiate(&mut self, rows: &[u32]) -> Vec<(&'static str, f64)> {
        let advantages = self.advantages(rows);
        let Self { parameters, samples, networks, terms, tasks, .. } = self;
        networks.load(parameters);
        let (per_task, mass) = (rows_of_task(rows.len()), samples.mass_per_row * rows.len() as f64);
        let parts = rows.len().div_ceil(per_task);
        tasks.resize_with(parts.max(tasks.len()), Task::default);
        let tasks = &mut tasks[..parts];
        let shares = tasks.iter_mut().zip(rows.chunks(per_task)).enumerate();
        let shares = shares.map(|(i, (task, rows))| (task, rows, advantages.get(i * per_task..).unwrap_or_default()));
        for_each(shares.collect(), <()>::default, |(), (task, rows, advantages): (&mut Task<T>, &[u32], &[T])| {
            task.gradient.clear();
            task.gradient.resize(parameters.len(), T::zero());
            task.sums.clear();
            for (i, rows) in rows.chunks(BLOCK).enumerate() {
                samples.gather(rows, &mut task.samples);
                let advantages = advantages.get(i * BLOCK..).unwrap_or_default();
                task.samples.set(ContextPart::Advantages, &advantages[..rows.len().min(advantages.len())]);
                task.differentiate(networks, terms, mass);
            }
        });
        let [first, others @ ..] = tasks else { return Vec::new() };
        for task in others {
            add_rows(&task.gradient, &mut first.gradient);
        }
        let weight = match samples.column(ContextPart::Weights) {
            [] => rows.len() as f64,
            weights => rows.iter().map(|&row| weights[row as usize].double()).sum(),
        };
        terms.metrics(tasks.iter().map(|task| &task.sums), mass, weight)
    }

    /// Returns the advantages of a minibatch, normalised if the learner says so. Empty if no term reads them.
    fn advantages(&self, rows: &[u32]) -> Vec<T> {
        let column = |part: ContextPart| {
            let (from, mut to) = (self.samples.column(part), Vec::new());
            if !from.is_empty() {
                gather_rows(from, 1, rows, &mut to);
            }
            to
        };
        let mut advantages = column(ContextPart::Advantages);
        if !self.normalize_advantages || advantages.len() < 2 {
            return advantages;
        }
        let weights = column(ContextPart::Weights);
        if weights.is_empty() {
            host::normalize(&mut advantages);
            return advantages;
        }
        let [advantages, weights] = [advantages, weights].map(|values| self.tensor(values));
        normalize_weighted(advantages, &weights).into_data().try_into_vec().expect("the float type of its inputs")
    }

    /// Returns values as a tensor without autodiff.
    fn tensor(&self, values: Vec<T>) -> Tensor<1> {
        let len = values.len();
        Tensor::from_data(TensorData::new(values, [len]), (&self.device, T::DTYPE))
    }
}

impl<T: Real + Element> Task<T> {
    /// Adds the gradient and the sums of the samples that were gathered. `mass` is that of the minibatch.
    fn differentiate(&mut self, networks: &Networks<T>, terms: &Terms, mass: f64) {
        let Self { gradient, sums, samples, networks: rows, terms: of_terms } = self;
        networks.forward(samples, rows);
        terms.evaluate(&samples.columns, mass, of_terms, sums);
        networks.backward(samples, &of_terms.gradients, rows, gradient);
    }
}

impl<T: Real + Element> Fused for Minibatches<T> {
    fn step(&mut self, rows: &[u32], learning_rate: f64) -> Vec<(&'static str, f64)> {
        let mut metrics = self.differentiate(rows);
        let gradient = &mut self.tasks[0].gradient;
        let norm = clip_global_norm(gradient, self.max_grad_norm);
        self.optimiser.step(learning_rate, &mut self.parameters, gradient);
        metrics.push(("grad_norm", norm.double()));
        metrics
    }

    fn gradient(&mut self, rows: &[u32]) -> (Tensor<1>, Vec<(&'static str, f64)>) {
        let metrics = self.differentiate(rows);
        (self.tensor(self.tasks[0].gradient.clone()), metrics)
    }

    fn finish(self: Box<Self>) -> (Tensor<1>, OptimiserState) {
        let Self { parameters, optimiser, device, .. } = *self;
        let len = parameters.len();
        let parameters = Tensor::from_data(TensorData::new(parameters, [len]), (&device, T::DTYPE));
        (parameters, optimiser.into_state(&device))
    }
}
