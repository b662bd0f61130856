//! A minibatch in one parallel region.

use std::{
    iter,
    sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use burn::tensor::{Device, Element, Tensor};

use super::{
    form::{Fused, HostMetrics, Passes},
    networks::{NetworkRows, Networks},
    pieces::Piece,
    samples::{HostSamples, SampleRows, gather_rows},
    terms::{OF_ACTOR, OF_BOTH, OF_CRITIC, Sums, TermRows, Terms},
    unfused::Unfused,
};
use crate::{
    kernel::{
        host::{self, BLOCK, Real, optim::clip_factor, rows_of_task, tasks},
        team::Team,
    },
    loss::{ContextPart, normalize_weighted},
    optim::{HostOptimiser, OptimiserState, upload},
    policy::{Policy, reason},
    ranks::Ranks,
    source::Samples,
    update::Learner,
};

/// Trains a policy on minibatches of samples.
pub(super) struct Minibatches<T> {
    shared: Shared<T>,
    lead: Lead,
}

/// What only the thread that leads the others uses.
struct Lead {
    normalize_advantages: bool,
    max_grad_norm: f64,
    device: Device,
    ranks: Ranks,
}

/// What all threads use.
struct Shared<T> {
    samples: HostSamples<T>,
    /// All terms, and those of each group of networks.
    terms: Terms,
    terms_of: Vec<Terms>,
    minibatch: RwLock<Minibatch<T>>,
    tasks: Vec<RwLock<Task<T>>>,
    pieces: Vec<Mutex<Piece<T>>>,
}

/// What the threads do at the moment.
#[derive(Debug, Clone, Copy)]
enum Phase<T> {
    /// Each task takes its rows through its group of networks, into a gradient. There are `parts` parts for each group.
    Differentiate { parts: usize },
    /// The gradients of the parts are added up, piece by piece.
    Add { parts: usize },
    /// Each piece of the gradient is scaled, and each piece of the parameters takes a step.
    Step { factor: Option<T>, learning_rate: f64 },
}

/// The minibatch that the threads work on.
struct Minibatch<T> {
    phase: Phase<T>,
    /// Groups of networks that do not depend on each other, with the current parameters.
    groups: Vec<Networks<T>>,
    /// Indices of the samples.
    rows: Vec<u32>,
    /// The advantages of the samples. Empty if no term reads them.
    advantages: Vec<T>,
    /// The mass of all samples.
    mass: f64,
}

/// A part of a minibatch, which one thread takes through a group of networks.
#[derive(Debug, Default)]
struct Task<T> {
    /// The gradients of the layers, and of the head.
    gradient: [Vec<T>; 2],
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
        // Without a trunk, actor and critic do not depend on each other.
        let outputs = if perceptrons.trunk.is_some() { vec![OF_BOTH] } else { vec![OF_ACTOR, OF_CRITIC] };
        let terms_of: Vec<Terms> = outputs.into_iter().map(|outputs| terms.of(outputs)).filter(Terms::any).collect();
        let groups: Result<Vec<_>, _> =
            terms_of.iter().map(|terms| Networks::new(perceptrons.clone(), terms)).collect();
        let mut groups = groups?;
        let samples = HostSamples::new(flat, |part| part == ContextPart::Weights || terms.read(part));
        let samples = samples.filter(|samples| terms.are_given(|part| !samples.column(part).is_empty()));
        // What does not fit goes the ordinary way, which complains.
        let samples = samples.filter(|samples| samples.fit(&perceptrons)).ok_or(Unfused::Samples)?;
        let (device, [len]) = (parameters.device(), parameters.dims());
        if groups.is_empty() || perceptrons.len != len {
            return Err(Unfused::Policy(reason::OWN));
        }
        let parameters: Vec<T> = parameters.into_data().try_into_vec().map_err(|_| Unfused::Device)?;
        let optimiser = HostOptimiser::of(&*learner.optimiser, len).ok_or(Unfused::Optimiser)?;
        let pieces = Piece::cut(&parameters, &optimiser, &mut groups);
        let phase = Phase::Differentiate { parts: 0 };
        let minibatch = Minibatch { phase, groups, rows: Vec::new(), advantages: Vec::new(), mass: 0.0 };
        Ok(Self {
            shared: Shared {
                samples,
                terms,
                tasks: iter::repeat_with(RwLock::default).take(terms_of.len() * tasks(usize::MAX / 2)).collect(),
                terms_of,
                minibatch: RwLock::new(minibatch),
                pieces: pieces.into_iter().map(Mutex::new).collect(),
            },
            lead: Lead {
                normalize_advantages: learner.normalize_advantages,
                max_grad_norm: learner.max_grad_norm,
                device,
                ranks: learner.ranks.clone(),
            },
        })
    }
}

impl<T: Real + Element> Fused for Minibatches<T> {
    fn train(&mut self, passes: Passes<'_, '_>) {
        let Self { shared, lead } = self;
        let work = |index| shared.work(index);
        Team::lead(&work, |team| passes(&mut |rows, learning_rate| lead.step(shared, team, rows, learning_rate)));
    }

    fn gradient(&mut self, rows: &[u32]) -> (Tensor<1>, HostMetrics) {
        let Self { shared, lead } = self;
        let work = |index| shared.work(index);
        let metrics = Team::lead(&work, |team| lead.differentiate(shared, team, rows));
        let gradient = shared.pieces.iter().flat_map(|piece| lock(piece).gradient.clone()).collect();
        (upload(gradient, &lead.device), metrics)
    }

    fn finish(self: Box<Self>) -> (Tensor<1>, OptimiserState) {
        let Self { shared: Shared { pieces, tasks, minibatch, samples, .. }, lead } = *self;
        drop((tasks, minibatch, samples));
        let pieces = pieces.into_iter().map(|piece| piece.into_inner().unwrap_or_else(PoisonError::into_inner));
        let (parameters, optimiser) = Piece::join(pieces.collect());
        (upload(parameters, &lead.device), optimiser.into_state(&lead.device))
    }
}

impl Lead {
    /// Takes a step on the samples with the indices `rows`.
    fn step<T: Real + Element>(
        &self,
        shared: &Shared<T>,
        team: &Team<'_, impl Fn(usize) + Sync>,
        rows: &[u32],
        learning_rate: f64,
    ) -> HostMetrics {
        let mut metrics = self.differentiate(shared, team, rows);
        let squares = shared.pieces.iter().fold(T::zero(), |sum, piece| sum + lock(piece).squares);
        let norm = squares.sqrt();
        shared.enter(Phase::Step { factor: clip_factor(norm, self.max_grad_norm), learning_rate });
        team.run(shared.pieces.len());
        let groups = &mut shared.write().groups;
        shared.pieces.iter().for_each(|piece| lock(piece).install(groups));
        metrics.push(("grad_norm", norm.double()));
        metrics
    }

    /// Computes the gradient of a minibatch over all ranks. Returns the metrics of the terms.
    fn differentiate<T: Real + Element>(
        &self,
        shared: &Shared<T>,
        team: &Team<'_, impl Fn(usize) + Sync>,
        rows: &[u32],
    ) -> HostMetrics {
        // A rank without samples of this minibatch goes along with one that does not count.
        let (rows, counts) = if rows.is_empty() { (&[0][..], false) } else { (rows, true) };
        let (samples, parts) = (&shared.samples, tasks(rows.len()));
        let mass = samples.mass_per_row * rows.len() as f64;
        {
            let minibatch = &mut *shared.write();
            minibatch.phase = Phase::Differentiate { parts };
            minibatch.rows.clear();
            minibatch.rows.extend_from_slice(rows);
            minibatch.advantages = self.advantages(samples, rows, counts);
            minibatch.mass = mass;
        }
        let tasks = parts * shared.terms_of.len();
        team.run(tasks);
        shared.enter(Phase::Add { parts });
        team.run(shared.pieces.len());
        let weight = match samples.column(ContextPart::Weights) {
            [] => rows.len() as f64,
            weights => rows.iter().map(|&row| weights[row as usize].double()).sum(),
        };
        let tasks: Vec<_> = shared.tasks[..tasks].iter().map(read).collect();
        let mut metrics = shared.terms.metrics(tasks.iter().map(|task| &task.sums), mass, weight);
        if !self.ranks.is_alone() {
            self.average(shared, if counts { mass } else { 0.0 }, &mut metrics);
        }
        metrics
    }

    /// Replaces the gradient and the metrics of this rank, whose samples have this mass, by those of all ranks.
    fn average<T: Real + Element>(&self, shared: &Shared<T>, mass: f64, metrics: &mut HostMetrics) {
        let mut values: Vec<f64> = metrics.iter().map(|(_, value)| *value).collect();
        let mut gradient: Vec<T> = shared.pieces.iter().flat_map(|piece| lock(piece).gradient.clone()).collect();
        self.ranks.average(mass, &mut values, &mut gradient);
        metrics.iter_mut().zip(values).for_each(|((_, metric), value)| *metric = value);
        let mut gradient = gradient.into_iter();
        shared.pieces.iter().for_each(|piece| lock(piece).set_gradient(&mut gradient));
    }

    /// Returns the advantages of a minibatch, normalised if the learner says so. Empty if no term reads them.
    fn advantages<T: Real + Element>(&self, samples: &HostSamples<T>, rows: &[u32], counts: bool) -> Vec<T> {
        let column = |part: ContextPart| {
            let (from, mut to) = (samples.column(part), Vec::new());
            if !from.is_empty() {
                gather_rows(from, 1, rows, &mut to);
            }
            to
        };
        let mut advantages = column(ContextPart::Advantages);
        if !self.normalize_advantages || advantages.is_empty() {
            return advantages;
        }
        let weights = column(ContextPart::Weights);
        if !self.ranks.is_alone() {
            let (values, weights) = if counts { (&mut advantages[..], &weights[..]) } else { (&mut [][..], &[][..]) };
            self.ranks.normalize(values, weights);
            return advantages;
        }
        if advantages.len() < 2 {
            return advantages;
        }
        if weights.is_empty() {
            host::normalize(&mut advantages);
            return advantages;
        }
        let [advantages, weights] = [advantages, weights].map(|values| upload(values, &self.device));
        normalize_weighted(advantages, &weights).into_data().try_into_vec().expect("the float type of its inputs")
    }
}

impl<T: Real + Element> Shared<T> {
    fn write(&self) -> RwLockWriteGuard<'_, Minibatch<T>> {
        self.minibatch.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, phase: Phase<T>) {
        self.write().phase = phase;
    }

    /// Does one part of the current phase.
    fn work(&self, index: usize) {
        let minibatch = &*read(&self.minibatch);
        match minibatch.phase {
            Phase::Differentiate { parts } => self.differentiate(index, parts, minibatch),
            Phase::Add { parts } => {
                let tasks: Vec<_> = self.tasks[..parts * self.terms_of.len()].iter().map(read).collect();
                let of_group = |group: usize| {
                    tasks[group * parts..][..parts]
                        .iter()
                        .map(|task| task.gradient.each_ref().map(|values| &values[..]))
                };
                lock(&self.pieces[index]).add(&minibatch.groups, of_group);
            }
            Phase::Step { factor, learning_rate } => lock(&self.pieces[index]).step(factor, learning_rate),
        }
    }

    /// Computes the gradient and the sums of a task: of one of `parts` parts, with a group of networks.
    fn differentiate(&self, index: usize, parts: usize, minibatch: &Minibatch<T>) {
        let Minibatch { groups, rows, advantages, mass, .. } = minibatch;
        let (networks, terms, part) = (&groups[index / parts], &self.terms_of[index / parts], index % parts);
        let task = &mut *self.tasks[index].write().unwrap_or_else(PoisonError::into_inner);
        let Task { gradient: [gradient, of_head], sums, samples, networks: of_networks, terms: of_terms } = task;
        for (gradient, range) in [(&mut *gradient, Some(networks.range.clone())), (of_head, networks.head_range())] {
            gradient.clear();
            gradient.resize(range.map_or(0, |range| range.len()), T::zero());
        }
        sums.clear();
        let per_task = rows_of_task(rows.len());
        let end = rows.len().min((part + 1) * per_task);
        for first in (part * per_task..end).step_by(BLOCK) {
            let block = first..end.min(first + BLOCK);
            self.samples.gather(&rows[block.clone()], samples);
            samples.set(ContextPart::Advantages, advantages.get(block).unwrap_or_default());
            networks.forward(samples, of_networks);
            terms.evaluate(&samples.columns, *mass, of_terms, sums);
            networks.backward(samples, &of_terms.gradients, of_networks, [gradient, of_head]);
        }
    }
}

/// Locks a value. A poisoned lock is used as it is, because after a panic nothing reads its value.
fn lock<V>(value: &Mutex<V>) -> MutexGuard<'_, V> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`], to read.
fn read<V>(value: &RwLock<V>) -> RwLockReadGuard<'_, V> {
    value.read().unwrap_or_else(PoisonError::into_inner)
}
