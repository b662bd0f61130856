//! Optimisers on arrays of the host.

use std::{ops::Range, sync::Arc};

use burn::tensor::{Device, Element, Tensor, TensorData};

use super::{Optimiser, OptimiserState};
use crate::kernel::{
    formula::{AdamStep, RmsPropStep, SgdStep},
    host::{Real, optim},
};

/// Returns an array of the host as a tensor without autodiff (shape `[P]`).
pub(crate) fn upload<T: Real + Element>(values: Vec<T>, device: &Device) -> Tensor<1> {
    let len = values.len();
    Tensor::from_data(TensorData::new(values, [len]), (device, T::DTYPE))
}

/// The rule of an optimiser of this library, which can step on arrays of the host too.
#[derive(Clone)]
pub struct HostRule {
    /// The names of the vectors of the state, `None` for those that the optimiser does not have.
    names: [Option<&'static str>; 3],
    /// From the number of a step, counted from 1, and the learning rate.
    step: Arc<dyn Fn(u64, f64) -> HostStep + Send + Sync>,
}

/// One step, with the coefficients of its formula.
#[derive(Debug, Clone, Copy)]
pub(crate) enum HostStep {
    /// The parameters are multiplied by `decay` before it.
    Adam {
        step: AdamStep,
        decay: f64,
    },
    RmsProp(RmsPropStep),
    Sgd(SgdStep),
}

impl HostRule {
    pub(super) fn new(
        names: [Option<&'static str>; 3],
        step: impl Fn(u64, f64) -> HostStep + Send + Sync + 'static,
    ) -> Self {
        Self { names, step: Arc::new(step) }
    }
}

#[cfg(feature = "cube")]
impl HostRule {
    /// Returns the names of the vectors of the state, `None` for those that the optimiser does not have.
    pub(crate) fn names(&self) -> [Option<&'static str>; 3] {
        self.names
    }

    /// Returns the coefficients of a step, counted from 1.
    pub(crate) fn at(&self, step: u64, learning_rate: f64) -> HostStep {
        (self.step)(step, learning_rate)
    }
}

/// An [`Optimiser`] of this library that changes an array of parameters in place. It takes over the state of an
/// optimiser, and gives it back.
pub(crate) struct HostOptimiser<T> {
    rule: HostRule,
    steps: u64,
    /// The vectors of the state, each of length P. Those that this optimiser does not have are empty.
    vectors: [Vec<T>; 3],
}

impl<T: Real + Element> HostOptimiser<T> {
    /// Takes over the state of an optimiser for `len` parameters. `None` if it is not one of this library.
    pub fn of(optimiser: &dyn Optimiser, len: usize) -> Option<Self> {
        let (rule, state) = (optimiser.host_rule()?, optimiser.state());
        let mut vectors = [const { Vec::new() }; 3];
        for (vector, name) in vectors.iter_mut().zip(rule.names) {
            let Some(name) = name else { continue };
            *vector = match state.tensors.get(name) {
                None => vec![T::zero(); len],
                Some(tensor) => tensor.to_data().try_into_vec().ok().filter(|vector| vector.len() == len)?,
            };
        }
        Some(Self { rule, steps: state.steps, vectors })
    }

    /// Returns the optimiser of some of the parameters.
    pub fn part(&self, range: Range<usize>) -> Self {
        let vectors = self.vectors.each_ref().map(|vector| vector.get(range.clone()).unwrap_or_default().to_vec());
        Self { rule: self.rule.clone(), steps: self.steps, vectors }
    }

    /// Returns the optimiser of no parameters, with memory for the vectors of `len` of them.
    pub fn empty(&self, len: usize) -> Self {
        let of = |vector: &Vec<T>| Vec::with_capacity(if vector.is_empty() { 0 } else { len });
        Self { rule: self.rule.clone(), steps: self.steps, vectors: self.vectors.each_ref().map(of) }
    }

    /// Adds the optimiser of the parameters that follow.
    pub fn append(&mut self, next: Self) {
        self.vectors.iter_mut().zip(next.vectors).for_each(|(vector, next)| vector.extend(next));
    }

    /// Takes a step on parameters and gradient of shape `[P]`.
    pub fn step(&mut self, learning_rate: f64, parameters: &mut [T], gradient: &[T]) {
        self.steps += 1;
        let [first, second, third] = self.vectors.each_mut();
        match (self.rule.step)(self.steps, learning_rate) {
            HostStep::Adam { step, decay } => optim::adam(step, T::of(decay), parameters, gradient, first, second),
            HostStep::RmsProp(step) => optim::rms_prop(step, parameters, gradient, first, second, third),
            HostStep::Sgd(step) => optim::sgd(step, parameters, gradient, first),
        }
    }

    /// Returns the state, on a device.
    pub fn into_state(self, device: &Device) -> OptimiserState {
        let named = self.rule.names.into_iter().zip(self.vectors);
        let named = named.filter_map(|(name, vector)| Some((name?.to_owned(), upload(vector, device))));
        let tensors = if self.steps == 0 { Vec::new() } else { named.collect() };
        OptimiserState { steps: self.steps, tensors: tensors.into_iter().collect() }
    }
}
