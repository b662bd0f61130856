//! Products with the Fisher matrix of a policy, without tensors.

use std::ops::Range;

use burn::tensor::{Bool, DType, Device, Element, Tensor};

use super::{
    head::Head,
    samples::{flags, floats},
};
use crate::{
    kernel::{
        has_kernels,
        host::{BLOCK, Chain, Gradient, Real, Trace, add_rows, optim::scale, rows_of_task, sum},
        threads,
    },
    optim::{flatten_parameters, upload},
    policy::{Perceptrons, Place, Policy, Rows},
};

/// The Fisher matrix of a policy of perceptrons, in states that are vectors.
///
/// With the Jacobian J of the outputs of the actor and the Fisher matrix M of the distribution with respect to them,
/// `F v = mean_s J^T M J v`. `J v` is computed forward, along with the outputs, and multiplied by `J^T` backward.
pub(in crate::update) trait Curvature {
    /// Returns F v. Shapes `[P]`.
    fn product(&self, v: Tensor<1>) -> Tensor<1>;
}

/// Returns the Fisher matrix of `policy` in the observed states, weighted by `weights` (shape `[B]`) if there are any.
/// `None` if the policy or the states are not served.
pub(in crate::update) fn curvature<P: Policy>(
    policy: &P,
    observation: &P::Observation,
    weights: Option<&Tensor<1>>,
) -> Option<Box<dyn Curvature>> {
    let parameters = flatten_parameters(policy);
    if !has_kernels(&parameters.device()) {
        return None;
    }
    let states = States { perceptrons: policy.perceptrons().ok()?, vectors: observation.vectors()?, weights };
    match parameters.dtype() {
        DType::F32 => Some(Box::new(Host::<f32>::new(parameters, states)?)),
        DType::F64 => Some(Box::new(Host::<f64>::new(parameters, states)?)),
        _ => None,
    }
}

/// A policy and the states in which it is observed.
struct States<'a> {
    perceptrons: Perceptrons,
    vectors: (Tensor<2>, Option<Tensor<2, Bool>>),
    weights: Option<&'a Tensor<1>>,
}

/// A [`Curvature`] on arrays of the host.
struct Host<T> {
    trunk: Option<Network<T>>,
    actor: Network<T>,
    head: Head<T>,
    /// Shape `[B, D]`.
    observations: Vec<T>,
    /// Shape `[B, M]`; empty if all actions are possible.
    action_mask: Vec<bool>,
    /// The weight of each state. They add up to 1. Shape `[B]`.
    weights: Vec<T>,
    /// Number of parameters, P.
    len: usize,
    device: Device,
}

struct Network<T> {
    chain: Chain<T>,
    /// The chain without biases.
    linear: Chain<T>,
    parameters: Range<usize>,
}

/// Buffers for a block of states.
#[derive(Default)]
struct BlockRows<T> {
    trunk: Trace<T>,
    actor: Trace<T>,
    gradient: Gradient<T>,
}

impl<T: Real + Element> Host<T> {
    fn new(parameters: Tensor<1>, states: States<'_>) -> Option<Self> {
        let (device, [len]) = (parameters.device(), parameters.dims());
        let parameters: Vec<T> = parameters.into_data().try_into_vec().ok()?;
        let States { perceptrons: Perceptrons { trunk, actor, activation, head, len: total, .. }, vectors, weights } =
            states;
        if total != len {
            return None;
        }
        let has_trunk = trunk.is_some();
        let network = |place: Place, is_trunk: bool| {
            let mut chain = Chain::new(&place.sizes, activation, is_trunk, has_trunk && !is_trunk);
            let mut linear = chain.clone();
            chain.load(&parameters[place.parameters.clone()]);
            linear.load_without_biases(&parameters[place.parameters.clone()]);
            Network { chain, linear, parameters: place.parameters }
        };
        let mut head = Head::new(head, false);
        head.load(&(0..len), &parameters);
        let (observations, action_mask) = vectors;
        let [rows, _] = observations.dims();
        let mut weights = match weights {
            None => vec![T::one(); rows],
            Some(weights) => floats(weights.clone())?,
        };
        let total = sum(&weights).max(T::of(f64::from(f32::MIN_POSITIVE)));
        scale(&mut weights, T::one() / total);
        Some(Self {
            trunk: trunk.map(|place| network(place, true)),
            actor: network(actor, false),
            head,
            observations: floats(observations)?,
            action_mask: flags(action_mask)?,
            weights,
            len,
            device,
        })
    }

    /// Adds the product of a block of states to `sums`. `of_trunk` and `of_actor` are the chains with the parameters v.
    fn add_product(
        &self,
        states: Range<usize>,
        v: &[T],
        of_trunk: Option<&Chain<T>>,
        of_actor: &Chain<T>,
        rows: &mut BlockRows<T>,
        sums: &mut [T],
    ) {
        let of = |len: usize| {
            let each = len / self.weights.len();
            states.start * each..states.end * each
        };
        let observations = &self.observations[of(self.observations.len())];
        let BlockRows { trunk, actor, gradient } = rows;
        let tangent = &mut gradient.values;
        tangent.clear();
        if let (Some(Network { chain, linear, .. }), Some(direction)) = (&self.trunk, of_trunk) {
            chain.forward(observations, trunk);
            chain.tangent([linear, direction], observations, trunk, tangent);
        }
        let input = if self.trunk.is_some() { trunk.output() } else { observations };
        let Network { chain, linear, parameters } = &self.actor;
        chain.forward(input, actor);
        chain.tangent([linear, of_actor], input, actor, tangent);
        let mask = &self.action_mask[of(self.action_mask.len())];
        self.head.curve(actor.output(), mask, &self.weights[states], tangent, v, sums);
        chain.backward(input, actor, gradient, &mut sums[parameters.clone()]);
        if let Some(Network { chain, parameters, .. }) = &self.trunk {
            chain.backward(observations, trunk, gradient, &mut sums[parameters.clone()]);
        }
    }
}

impl<T: Real + Element> Curvature for Host<T> {
    fn product(&self, v: Tensor<1>) -> Tensor<1> {
        let v: Vec<T> = v.into_data().try_into_vec().expect("the float type of the parameters");
        let direction = |network: &Network<T>| {
            let mut chain = network.chain.clone();
            chain.load(&v[network.parameters.clone()]);
            chain
        };
        let (of_trunk, of_actor) = (self.trunk.as_ref().map(direction), direction(&self.actor));
        let (count, per_task) = (self.weights.len(), rows_of_task(self.weights.len()));
        let tasks = (0..count).step_by(per_task).map(|first| first..count.min(first + per_task));
        let products = threads::map(tasks.collect(), |states: Range<usize>| {
            let (mut rows, mut sums) = (BlockRows::default(), vec![T::zero(); self.len]);
            for first in states.clone().step_by(BLOCK) {
                let block = first..states.end.min(first + BLOCK);
                self.add_product(block, &v, of_trunk.as_ref(), &of_actor, &mut rows, &mut sums);
            }
            sums
        });
        let mut product = vec![T::zero(); self.len];
        for part in &products {
            add_rows(part, &mut product);
        }
        upload(product, &self.device)
    }
}
