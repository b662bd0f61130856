//! A minibatch in one parallel region.

use std::{
    iter,
    sync::{Mutex, MutexGuard, PoisonError, RwLock},
};

use burn::tensor::{Device, Element, Tensor, TensorData};

use super::{
    form::{Fused, HostMetrics, Passes},
    networks::{NetworkRows, Networks},
    samples::{HostSamples, SampleRows, gather_rows},
    terms::{Sums, TermRows, Terms},
    unfused::Unfused,
};
use crate::{
    kernel::{
        host::{self, BLOCK, Real, add_rows, optim::clip_global_norm, rows_of_task, tasks},
        team::Team,
    },
    loss::{ContextPart, normalize_weighted},
    optim::{HostOptimiser, OptimiserState},
    policy::Policy,
    source::Samples,
    update::Learner,
};

/// Trains a policy on minibatches of samples.
pub(super) struct Minibatches<T> {
    shared: Shared<T>,
    lead: Lead<T>,
}

/// What only the thread that leads the others uses.
struct Lead<T> {
    /// Shape `[P]`.
    parameters: Vec<T>,
    optimiser: HostOptimiser<T>,
    normalize_advantages: bool,
    max_grad_norm: f64,
    device: Device,
}

/// What all threads use.
struct Shared<T> {
    samples: HostSamples<T>,
    terms: Terms,
    /// Number of parameters, P.
    len: usize,
    minibatch: RwLock<Minibatch<T>>,
    tasks: Vec<Mutex<Task<T>>>,
}

/// The minibatch that the threads work on.
struct Minibatch<T> {
    /// With the current parameters.
    networks: Networks<T>,
    /// Indices of the samples.
    rows: Vec<u32>,
    /// The advantages of the samples. Empty if no term reads them.
    advantages: Vec<T>,
    /// The mass of all samples.
    mass: f64,
}

/// A part of a minibatch, which one thread takes through everything.
#[derive(Debug, Default)]
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
            shared: Shared {
                samples: samples.ok_or(Unfused::Samples)?,
                terms,
                len,
                minibatch: RwLock::new(Minibatch { networks, rows: Vec::new(), advantages: Vec::new(), mass: 0.0 }),
                tasks: iter::repeat_with(Mutex::default).take(tasks(usize::MAX / 2)).collect(),
            },
            lead: Lead {
                parameters: parameters.into_data().try_into_vec().map_err(|_| Unfused::Device)?,
                optimiser: HostOptimiser::of(&*learner.optimiser, len).ok_or(Unfused::Optimiser)?,
                normalize_advantages: learner.normalize_advantages,
                max_grad_norm: learner.max_grad_norm,
                device,
            },
        })
    }
}

impl<T: Real + Element> Fused for Minibatches<T> {
    fn train(&mut self, passes: Passes<'_, '_>) {
        let Self { shared, lead } = self;
        let work = |task| shared.differentiate(task);
        Team::lead(&work, |team| passes(&mut |rows, learning_rate| lead.step(shared, team, rows, learning_rate)));
    }

    fn gradient(&mut self, rows: &[u32]) -> (Tensor<1>, HostMetrics) {
        let Self { shared, lead } = self;
        let work = |task| shared.differentiate(task);
        let metrics = Team::lead(&work, |team| lead.differentiate(shared, team, rows));
        (lead.tensor(shared.task(0).gradient.clone()), metrics)
    }

    fn finish(self: Box<Self>) -> (Tensor<1>, OptimiserState) {
        let Lead { parameters, optimiser, device, .. } = self.lead;
        let len = parameters.len();
        let parameters = Tensor::from_data(TensorData::new(parameters, [len]), (&device, T::DTYPE));
        (parameters, optimiser.into_state(&device))
    }
}

impl<T: Real + Element> Lead<T> {
    /// Takes a step on the samples with the indices `rows`.
    fn step(
        &mut self,
        shared: &Shared<T>,
        team: &Team<'_, impl Fn(usize) + Sync>,
        rows: &[u32],
        learning_rate: f64,
    ) -> HostMetrics {
        let mut metrics = self.differentiate(shared, team, rows);
        let gradient = &mut shared.task(0).gradient;
        let norm = clip_global_norm(gradient, self.max_grad_norm);
        self.optimiser.step(learning_rate, &mut self.parameters, gradient);
        metrics.push(("grad_norm", norm.double()));
        metrics
    }

    /// Computes the gradient of a minibatch, which is then that of the first task. Returns the metrics of the terms.
    fn differentiate(&self, shared: &Shared<T>, team: &Team<'_, impl Fn(usize) + Sync>, rows: &[u32]) -> HostMetrics {
        let (samples, count) = (&shared.samples, tasks(rows.len()));
        let mass = samples.mass_per_row * rows.len() as f64;
        {
            let mut minibatch = shared.minibatch.write().unwrap_or_else(PoisonError::into_inner);
            minibatch.networks.load(&self.parameters);
            minibatch.rows.clear();
            minibatch.rows.extend_from_slice(rows);
            minibatch.advantages = self.advantages(samples, rows);
            minibatch.mass = mass;
        }
        team.run(count);
        let mut tasks: Vec<_> = (0..count).map(|task| shared.task(task)).collect();
        if let [first, others @ ..] = &mut tasks[..] {
            others.iter().for_each(|task| add_rows(&task.gradient, &mut first.gradient));
        }
        let weight = match samples.column(ContextPart::Weights) {
            [] => rows.len() as f64,
            weights => rows.iter().map(|&row| weights[row as usize].double()).sum(),
        };
        shared.terms.metrics(tasks.iter().map(|task| &task.sums), mass, weight)
    }

    /// Returns the advantages of a minibatch, normalised if the learner says so. Empty if no term reads them.
    fn advantages(&self, samples: &HostSamples<T>, rows: &[u32]) -> Vec<T> {
        let column = |part: ContextPart| {
            let (from, mut to) = (samples.column(part), Vec::new());
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

impl<T: Real + Element> Shared<T> {
    fn task(&self, index: usize) -> MutexGuard<'_, Task<T>> {
        self.tasks[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Computes the gradient and the sums of a task.
    fn differentiate(&self, index: usize) {
        let minibatch = self.minibatch.read().unwrap_or_else(PoisonError::into_inner);
        let Minibatch { networks, rows, advantages, mass } = &*minibatch;
        let task = &mut *self.task(index);
        let Task { gradient, sums, samples, networks: of_networks, terms: of_terms } = task;
        gradient.clear();
        gradient.resize(self.len, T::zero());
        sums.clear();
        let per_task = rows_of_task(rows.len());
        let end = rows.len().min((index + 1) * per_task);
        for first in (index * per_task..end).step_by(BLOCK) {
            let block = first..end.min(first + BLOCK);
            self.samples.gather(&rows[block.clone()], samples);
            samples.set(ContextPart::Advantages, advantages.get(block).unwrap_or_default());
            networks.forward(samples, of_networks);
            self.terms.evaluate(&samples.columns, *mass, of_terms, sums);
            networks.backward(samples, &of_terms.gradients, of_networks, gradient);
        }
    }
}
