//! One optimiser step on an objective.

use burn::tensor::{DType, Device, Element, Tensor, TensorData};

use super::fused::{DevicePasses, Form, HostMetrics, Trained};
use crate::{
    device::readback::read,
    kernel::{has_kernels, host::Real, threads::map_alone},
    loss::{ContextPart, Metric, Objective, PartialOutput, Reported},
    optim::{
        Optimiser, OptimiserState, clip_global_norm, flatten_gradients, flatten_parameters, replace_parameters, upload,
    },
    policy::Policy,
    profile::{Phase, during},
    ranks::Ranks,
    source::Samples,
};

/// Turns a minibatch into an optimiser step.
pub struct Learner {
    /// The objective to minimise.
    pub objective: Objective,
    /// Turns gradients into steps.
    pub optimiser: Box<dyn Optimiser>,
    /// Largest global gradient norm; a larger gradient is scaled down to it.
    pub max_grad_norm: f64,
    /// True to shift and scale the advantages of each minibatch to mean 0 and standard deviation 1.
    pub normalize_advantages: bool,
    /// Largest number of rows that autodiff differentiates at once, at least 1. A larger minibatch is split, and the
    /// gradients of its parts are added. This takes less memory and changes the result only by rounding. `None` never
    /// splits a minibatch. Without effect on minibatches that do not go through autodiff: see [`Unfused`](super::Unfused).
    pub micro_batch_size: Option<usize>,
    /// True to differentiate several parts of a minibatch at once, each on a thread of its own, in place of one after the other with kernels on
    /// all threads: faster for small models on the `flex` backend. It takes the memory of as many parts as there are threads. Without
    /// effect on results.
    pub parts_at_once: bool,
    /// The ranks that train together. Each has its share of a minibatch, and all take the same step.
    pub ranks: Ranks,
}

impl Learner {
    /// Creates a learner that does not clip gradients, normalise advantages or split minibatches.
    #[must_use]
    pub fn new(objective: Objective, optimiser: Box<dyn Optimiser>) -> Self {
        Self {
            objective,
            optimiser,
            max_grad_norm: f64::INFINITY,
            normalize_advantages: false,
            micro_batch_size: None,
            parts_at_once: false,
            ranks: Ranks::default(),
        }
    }

    /// Takes a step on `minibatch`. Returns the new policy, and the metrics of the loss terms and the `grad_norm`
    /// before clipping, all measured before the step. On a GPU, a [fused](super::Unfused) step waits for the device.
    ///
    /// # Panics
    /// If `micro_batch_size` is 0.
    #[must_use]
    pub fn step<P: Policy, S: Samples<P>>(&mut self, policy: &P, minibatch: S, learning_rate: f64) -> (P, Vec<Metric>) {
        match self.fuse(policy, &minibatch) {
            Err(_) => self.step_by_autodiff(policy, minibatch, true, learning_rate),
            Ok(Form::Host(mut fused)) => {
                let (rows, mut metrics) = (all_rows::<P, S>(&minibatch), Vec::new());
                fused.train(&mut |step| metrics = step(&rows, learning_rate));
                let (parameters, state) = fused.finish();
                self.take(policy, parameters, state, metrics)
            }
            Ok(Form::Device(fused)) => {
                let passes = DevicePasses { seeds: vec![0], minibatches: 1, learning_rate, target_kl: f64::INFINITY };
                match fused.train(&passes) {
                    Ok(Trained { parameters, state, mut metrics, .. }) => {
                        self.take(policy, parameters, state, metrics.swap_remove(0))
                    }
                    // The device has failed, which whoever reads the metrics will notice.
                    Err(_) => self.step_by_autodiff(policy, minibatch, true, learning_rate),
                }
            }
        }
    }

    /// Takes over parameters and optimiser after a fused step.
    fn take<P: Policy>(
        &mut self,
        policy: &P,
        parameters: Tensor<1>,
        state: OptimiserState,
        metrics: HostMetrics,
    ) -> (P, Vec<Metric>) {
        let metrics = on_device(metrics, &parameters);
        self.optimiser.set_state(state).expect("an optimiser takes its own state back");
        (replace_parameters(policy.clone(), parameters), metrics)
    }

    /// Returns the gradient of the objective for one minibatch, before clipping (shape `[P]`), and the metrics of the
    /// loss terms.
    ///
    /// # Panics
    /// If `micro_batch_size` is 0.
    #[must_use]
    pub fn gradient<P: Policy, S: Samples<P>>(&self, policy: &P, minibatch: S) -> (Tensor<1>, Vec<Metric>) {
        let (gradient, metrics) = match self.fuse(policy, &minibatch) {
            Err(_) => return self.gradient_by_autodiff(policy, minibatch),
            Ok(Form::Host(mut fused)) => fused.gradient(&all_rows::<P, S>(&minibatch)),
            Ok(Form::Device(fused)) => match fused.gradient() {
                Ok(gradient) => gradient,
                Err(_) => return self.gradient_by_autodiff(policy, minibatch),
            },
        };
        let metrics = on_device(metrics, &gradient);
        (gradient, metrics)
    }

    /// [`step`](Self::step) the ordinary way, whether or not there is a [faster](super::Unfused) one. If `counts` is false,
    /// the minibatch stands for one of which this rank has no samples: it contributes nothing.
    pub(super) fn step_by_autodiff<P: Policy, S: Samples<P>>(
        &mut self,
        policy: &P,
        minibatch: S,
        counts: bool,
        learning_rate: f64,
    ) -> (P, Vec<Metric>) {
        let (gradient, mut metrics) = self.shared_gradient(policy, minibatch, counts);
        let policy = during(Phase::Optimiser, || {
            let (gradient, norm) = clip_global_norm(gradient, self.max_grad_norm);
            metrics.push(("grad_norm", norm));
            let parameters = self.optimiser.step(learning_rate, flatten_parameters(policy), gradient);
            replace_parameters(policy.clone(), parameters)
        });
        (policy, metrics)
    }

    /// [`gradient`](Self::gradient) the ordinary way, whether or not there is a [faster](super::Unfused) one.
    ///
    /// # Panics
    /// If `micro_batch_size` is 0.
    #[must_use]
    pub fn gradient_by_autodiff<P: Policy, S: Samples<P>>(&self, policy: &P, minibatch: S) -> (Tensor<1>, Vec<Metric>) {
        self.shared_gradient(policy, minibatch, true)
    }

    fn shared_gradient<P: Policy, S: Samples<P>>(
        &self,
        policy: &P,
        mut minibatch: S,
        counts: bool,
    ) -> (Tensor<1>, Vec<Metric>) {
        // The statistics are those of the whole minibatch, so this comes before the split.
        if self.normalize_advantages && counts {
            minibatch = during(Phase::Advantage, || minibatch.with_advantages_normalized_over(&self.ranks));
        } else if self.normalize_advantages && !minibatch.lacks(ContextPart::Advantages) {
            self.ranks.normalize::<f32>(&mut [], &[]);
        }
        let mass = minibatch.mass();
        let (gradient, reported) = match self.micro_batch_size {
            Some(size) if size < minibatch.num_rows() => {
                let at_once = self.parts_at_once && has_kernels(&policy.devices()[0]);
                let at_once = if at_once { rayon::current_num_threads() } else { 1 };
                let mut parts = minibatch.minibatches(size);
                let groups = std::iter::from_fn(|| {
                    let group: Vec<S> = parts.by_ref().take(at_once).collect();
                    (!group.is_empty()).then(|| self.differentiate_group(policy, group, mass))
                });
                groups
                    .flatten()
                    .reduce(|(sum, reported), (gradient, more)| (sum + gradient, reported.and(more)))
                    .expect("a minibatch has rows")
            }
            _ => self.differentiate(policy, &minibatch, mass),
        };
        let metrics = reported.into_metrics();
        if self.ranks.is_alone() {
            return (gradient, metrics);
        }
        average(&self.ranks, if counts { mass } else { 0.0 }, gradient, metrics)
    }

    /// Returns the contributions of several parts, each of which is differentiated on a thread of its own.
    fn differentiate_group<P: Policy, S: Samples<P>>(
        &self,
        policy: &P,
        group: Vec<S>,
        mass: f64,
    ) -> Vec<(Tensor<1>, Reported)> {
        if let [part] = &group[..] {
            return vec![self.differentiate(policy, part, mass)];
        }
        // With parameters of its own, each part has its own graph; graphs with nodes in common would wait for each other.
        let (device, objective) = (policy.devices().swap_remove(0), &self.objective);
        let tasks: Vec<(P, S)> = group.into_iter().map(|part| (policy.clone().fork(&device), part)).collect();
        let differentiate = |(policy, part): (P, S)| {
            let PartialOutput { loss, reported } = evaluate(objective, &policy, &part, mass);
            (flatten_gradients(&policy, &loss.backward()), reported)
        };
        during(Phase::Backward, || map_alone(tasks, differentiate))
    }

    /// Returns the contribution of a part to the gradient and the metrics of a minibatch with this mass.
    fn differentiate<P: Policy, S: Samples<P>>(&self, policy: &P, part: &S, mass: f64) -> (Tensor<1>, Reported) {
        let evaluate = || evaluate(&self.objective, policy, part, mass);
        let PartialOutput { loss, reported } = during(Phase::Forward, evaluate);
        let gradient = during(Phase::Backward, || flatten_gradients(policy, &loss.backward()));
        (gradient, reported)
    }
}

/// Returns the gradient and the metrics of the samples of all ranks, given those of this rank, with this mass.
fn average(ranks: &Ranks, mass: f64, gradient: Tensor<1>, metrics: Vec<Metric>) -> (Tensor<1>, Vec<Metric>) {
    let (names, values): (Vec<_>, Vec<_>) = metrics.into_iter().unzip();
    let device = gradient.device();
    let values = if values.is_empty() { Ok(Vec::new()) } else { read([Tensor::cat(values, 0)]).map(|[values]| values) };
    let mut values: Vec<f64> =
        values.map_or_else(|_| vec![f64::NAN; names.len()], |values| values.into_iter().map(f64::from).collect());
    let gradient = match gradient.dtype() {
        DType::F64 => averaged::<f64>(ranks, mass, gradient, &mut values, &device),
        _ => averaged::<f32>(ranks, mass, gradient, &mut values, &device),
    };
    let metrics = on_device(names.into_iter().zip(values).collect(), &gradient);
    (gradient, metrics)
}

fn averaged<T: Real + Element>(
    ranks: &Ranks,
    mass: f64,
    gradient: Tensor<1>,
    metrics: &mut [f64],
    device: &Device,
) -> Tensor<1> {
    let mut values: Vec<T> = gradient.into_data().convert::<T>().try_into_vec().expect("the type was converted");
    ranks.average(mass, metrics, &mut values);
    upload(values, device)
}

fn evaluate<P: Policy, S: Samples<P>>(objective: &Objective, policy: &P, part: &S, mass: f64) -> PartialOutput {
    objective.compute_part(&part.context(policy).with_mass(mass))
}

/// Returns the indices of all rows of a minibatch.
fn all_rows<P: Policy, S: Samples<P>>(minibatch: &S) -> Vec<u32> {
    (0..).take(minibatch.num_rows()).collect()
}

/// Returns metrics that were computed on the host as tensors, of the device and the float type of `like`.
fn on_device(metrics: Vec<(&'static str, f64)>, like: &Tensor<1>) -> Vec<Metric> {
    let tensor = |value: f64| {
        Tensor::from_data(TensorData::new(vec![value], [1]).convert_dtype(like.dtype()), (&like.device(), like.dtype()))
    };
    metrics.into_iter().map(|(name, value)| (name, tensor(value))).collect()
}
