//! The networks of a policy, forward and backward for a block of rows.

use std::ops::Range;

use super::{
    head::{Head, HeadRows},
    samples::{Columns, SampleRows},
    terms::Terms,
    unfused::Unfused,
};
use crate::{
    kernel::host::{Chain, Gradient, Layer, Real, Trace},
    loss::ContextPart,
    policy::{Perceptrons, Place},
};

/// The networks that a minibatch goes through. Those that no term needs are left out.
pub(super) struct Networks<T> {
    /// The places of the parameters of all layers.
    pub range: Range<usize>,
    trunk: Option<Network<T>>,
    actor: Option<(Network<T>, Head<T>)>,
    critic: Option<Network<T>>,
}

/// One of the networks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which {
    Trunk,
    Actor,
    Critic,
}

/// One network, and the place of its parameters among all.
struct Network<T> {
    chain: Chain<T>,
    parameters: Range<usize>,
}

/// The outputs of the networks for a block of rows, and gradients on their way back. Their memory is reused.
#[derive(Debug, Clone, Default)]
pub(super) struct NetworkRows<T> {
    trunk: Trace<T>,
    actor: Trace<T>,
    head: HeadRows<T>,
    critic: Trace<T>,
    gradient: Gradient<T>,
    /// With respect to the outputs of the trunk.
    trunk_gradient: Gradient<T>,
}

impl<T: Real> Networks<T> {
    /// Creates the networks that `terms` need, without weights.
    pub fn new(policy: Perceptrons, terms: &Terms) -> Result<Self, Unfused> {
        let Perceptrons { trunk, actor, critic, activation, head, .. } = policy;
        let acts = terms.read(ContextPart::LogProbs) || terms.read(ContextPart::Entropies);
        let has_trunk = trunk.is_some();
        let network = |place: Place, is_trunk: bool| Network {
            chain: Chain::new(&place.sizes, activation, is_trunk, has_trunk && !is_trunk),
            parameters: place.parameters,
        };
        let mut networks = Self {
            range: 0..0,
            trunk: trunk.map(|place| network(place, true)),
            actor: acts.then(|| (network(actor, false), Head::new(head, terms.read(ContextPart::Entropies)))),
            critic: match (terms.read(ContextPart::Values), critic) {
                (false, _) => None,
                (true, Some(critic)) => Some(network(critic, false)),
                (true, None) => return Err(Unfused::Policy("the policy has no critic")),
            },
        };
        let layers = networks.layers();
        let (starts, ends) = (layers.iter().map(|(.., range)| range.start), layers.iter().map(|(.., range)| range.end));
        networks.range = starts.min().unwrap_or_default()..ends.max().unwrap_or_default();
        Ok(networks)
    }

    /// Returns the place of the parameters of the head, if it has some.
    pub fn head_range(&self) -> Option<Range<usize>> {
        self.actor.as_ref().and_then(|(_, head)| head.range())
    }

    /// Returns the place of each layer, and that of its parameters.
    pub fn layers(&self) -> Vec<(Which, usize, Range<usize>)> {
        let mut places = Vec::new();
        for which in [Which::Trunk, Which::Actor, Which::Critic] {
            let Some(network) = self.network(which) else { continue };
            let mut start = network.parameters.start;
            for (index, layer) in network.chain.layers().iter().enumerate() {
                places.push((which, index, start..start + layer.parameters()));
                start += layer.parameters();
            }
        }
        places
    }

    /// Returns a layer.
    pub fn layer(&self, which: Which, index: usize) -> &Layer<T> {
        &self.network(which).expect("one of the layers").chain.layers()[index]
    }

    /// Returns a layer, to be replaced.
    pub fn layer_mut(&mut self, which: Which, index: usize) -> &mut Layer<T> {
        let network = match which {
            Which::Trunk => self.trunk.as_mut(),
            Which::Actor => self.actor.as_mut().map(|(actor, _)| actor),
            Which::Critic => self.critic.as_mut(),
        };
        &mut network.expect("one of the layers").chain.layers_mut()[index]
    }

    /// Sets the parameters of the head, if it has some, from those of a range.
    pub fn load_head(&mut self, range: &Range<usize>, parameters: &[T]) {
        if let Some((_, head)) = &mut self.actor {
            head.load(range, parameters);
        }
    }

    fn network(&self, which: Which) -> Option<&Network<T>> {
        match which {
            Which::Trunk => self.trunk.as_ref(),
            Which::Actor => self.actor.as_ref().map(|(actor, _)| actor),
            Which::Critic => self.critic.as_ref(),
        }
    }

    /// Takes a block of samples through the networks, and sets its log-probabilities, entropies and values.
    pub fn forward(&self, samples: &mut SampleRows<T>, rows: &mut NetworkRows<T>) {
        if let Some(trunk) = &self.trunk {
            trunk.chain.forward(&samples.observations, &mut rows.trunk);
        }
        let input = if self.trunk.is_some() { rows.trunk.output() } else { &samples.observations };
        if let Some(critic) = &self.critic {
            critic.chain.forward(input, &mut rows.critic);
        }
        if let Some((actor, _)) = &self.actor {
            actor.chain.forward(input, &mut rows.actor);
        }
        if self.critic.is_some() {
            samples.set(ContextPart::Values, rows.critic.output());
        }
        if let Some((_, head)) = &self.actor {
            head.evaluate(rows.actor.output(), samples, &mut rows.head);
        }
    }

    /// Takes the derivatives with respect to log-probabilities, entropies and values back through the networks, and adds
    /// the gradients of the layers to `sums`, whose places are [`range`](Self::range), and those of the parameters of the
    /// head to `head_sums`.
    pub fn backward(
        &self,
        samples: &SampleRows<T>,
        derivatives: &Columns<T>,
        rows: &mut NetworkRows<T>,
        [sums, head_sums]: [&mut [T]; 2],
    ) {
        let place = |network: &Network<T>| {
            network.parameters.start - self.range.start..network.parameters.end - self.range.start
        };
        let NetworkRows { trunk, actor: of_actor, head: of_head, critic: of_critic, gradient, trunk_gradient } = rows;
        let input = if self.trunk.is_some() { trunk.output() } else { &samples.observations };
        let below = &mut trunk_gradient.values;
        below.clear();
        let of = |part: ContextPart| &derivatives[part as usize][..];
        let values = of(ContextPart::Values);
        if let Some(critic) = self.critic.as_ref().filter(|_| !values.is_empty()) {
            gradient.values.clear();
            gradient.values.extend_from_slice(values);
            critic.chain.backward(input, of_critic, gradient, &mut sums[place(critic)]);
            if self.trunk.is_some() {
                below.extend_from_slice(&gradient.values);
            }
        }
        let (log_probs, entropies) = (of(ContextPart::LogProbs), of(ContextPart::Entropies));
        if let Some((actor, head)) = self.actor.as_ref().filter(|_| !(log_probs.is_empty() && entropies.is_empty())) {
            head.backward(samples, [log_probs, entropies], of_head, &mut gradient.values, head_sums);
            actor.chain.backward(input, of_actor, gradient, &mut sums[place(actor)]);
            match (&self.trunk, below.is_empty()) {
                (None, _) => {}
                (Some(_), true) => below.extend_from_slice(&gradient.values),
                (Some(_), false) => below.iter_mut().zip(&gradient.values).for_each(|(sum, &value)| *sum += value),
            }
        }
        if let Some(network) = self.trunk.as_ref().filter(|_| !below.is_empty()) {
            let sums = &mut sums[place(network)];
            network.chain.backward(&samples.observations, trunk, trunk_gradient, sums);
        }
    }
}
