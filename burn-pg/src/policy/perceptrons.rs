//! Policies of perceptrons, as places in the vector of their parameters.

use std::{collections::HashMap, ops::Range};

use burn::{
    module::{ModuleVisitor, Param, ParamId},
    tensor::Tensor,
};

use super::{Activation, LOG_STD, Mlp};

/// A policy whose networks are perceptrons alone, described by the places of its parameters in the vector of
/// [`flatten_parameters`](crate::optim::flatten_parameters). With it, an update needs no tensors; see
/// [`Unfused`](crate::update::Unfused).
#[derive(Debug, Clone)]
pub struct Perceptrons {
    /// The hidden layers that actor and critic share, if they do.
    pub(crate) trunk: Option<Place>,
    pub(crate) actor: Place,
    pub(crate) critic: Option<Place>,
    pub(crate) activation: Activation,
    pub(crate) head: FlatHead,
    /// Number of parameters of the whole policy, P.
    pub(crate) len: usize,
}

/// Why a policy is not made of perceptrons alone.
pub(crate) mod reason {
    pub const OWN: &str = "the policy has networks of its own";
    pub const RECURRENT: &str = "the policy is recurrent";
    pub const ENCODER: &str = "the policy has an encoder";
    pub const INPUTS: &str = "the policy sees parts of the observations only";
    pub const GSDE: &str = "the policy explores with gSDE noise";
    pub const BETA: &str = "the policy has a Beta distribution";
    // Not served by kernels for GPUs.
    pub const NO_CRITIC: &str = "the policy has no critic";
    #[cfg(feature = "cube")]
    pub const MASKED: &str = "actions are masked";
}

/// A perceptron in a vector of parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The numbers of inputs and outputs of each layer.
    pub sizes: Vec<[usize; 2]>,
    /// Weights and biases of each layer in turn.
    pub parameters: Range<usize>,
}

impl Place {
    /// Returns the numbers of inputs and outputs of each layer, and where its parameters begin.
    #[cfg(feature = "cube")]
    pub fn layers(&self) -> impl Iterator<Item = ([usize; 2], usize)> {
        let mut start = self.parameters.start;
        self.sizes.iter().map(move |&size| {
            let (at, [inputs, outputs]) = (start, size);
            start += (inputs + 1) * outputs;
            (size, at)
        })
    }

    /// Number of outputs of the last layer.
    pub fn outputs(&self) -> usize {
        self.sizes.last().map_or(0, |size| size[1])
    }
}

/// How outputs of the actor become a distribution.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FlatHead {
    /// Logits of components with these numbers of actions.
    Logits(Vec<usize>),
    /// Logits of components that are true or false.
    Bernoulli,
    /// Means, and logarithms of standard deviations.
    Gaussian { log_std: LogStd, squash: bool },
}

/// Where logarithms of standard deviations come from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LogStd {
    /// Parameters.
    Parameters(Range<usize>),
    /// Outputs of the actor behind the means, plus an offset, within [`LOG_STD`].
    Outputs { offset: f64 },
}

impl LogStd {
    /// Returns the logarithm of a standard deviation for an output of the actor, and its derivative.
    pub(crate) fn of_output<T: num_traits::Float>(output: T, offset: T) -> (T, T) {
        let [low, high] = [LOG_STD.0, LOG_STD.1].map(|bound| T::from(bound).expect("a bound is a small number"));
        let log_std = output + offset;
        match log_std {
            _ if log_std < low => (low, T::zero()),
            _ if log_std > high => (high, T::zero()),
            _ => (log_std, T::one()),
        }
    }
}

/// The places of trainable parameters in the vector of all of them.
#[derive(Default)]
pub(super) struct Places(HashMap<ParamId, Range<usize>>, usize);

impl Places {
    /// Number of parameters in all places.
    pub fn len(&self) -> usize {
        self.1
    }

    /// Returns the place of a parameter, or `None` if it is not trained.
    pub fn of_parameter(&self, id: ParamId) -> Option<Range<usize>> {
        self.0.get(&id).filter(|place| !place.is_empty()).cloned()
    }

    /// Returns the place of a network, or `None` if its parameters are not consecutive, or not all trained.
    pub fn of(&self, network: &Mlp) -> Option<Place> {
        let (mut sizes, mut all): (_, Option<Range<usize>>) = (Vec::new(), None);
        for layer in &network.layers {
            sizes.push(layer.weight.dims());
            for id in [layer.weight.id, layer.bias.as_ref()?.id] {
                let place = self.of_parameter(id)?;
                let start = match all {
                    None => place.start,
                    Some(before) if before.end == place.start => before.start,
                    Some(_) => return None,
                };
                all = Some(start..place.end);
            }
        }
        Some(Place { sizes, parameters: all? })
    }
}

impl ModuleVisitor for Places {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let Self(places, end) = self;
        let value = parameter.val();
        if value.is_require_grad() {
            let start = *end;
            *end += value.shape().num_elements();
            // Parameters in two places do not have a place of their own.
            if places.insert(parameter.id, start..*end).is_some() {
                places.insert(parameter.id, 0..0);
            }
        }
    }
}
