//! From the outputs of a network to a distribution over actions.

use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor, TensorData},
};
use burn_pg_envs::Space;
use serde::{Deserialize, Serialize};

use super::Observation;
use crate::distribution::{AnyDistribution, Bernoulli, Categorical, Gaussian, MultiCategorical, SquashedGaussian};

/// Bounds of logarithms of standard deviations that a network puts out: those of soft actor-critic.
const LOG_STD: (f64, f64) = (-20.0, 2.0);

/// How a policy over continuous actions explores.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Exploration {
    /// Behind a hyperbolic tangent, so that actions are strictly within their bounds? Default false: they are clipped.
    pub squash: bool,
    /// Do standard deviations depend on the observation? Default false: they are parameters of their own.
    pub state_dependent: bool,
    /// Logarithm of the first standard deviations. Default 0.
    pub log_std: f64,
}

impl Default for Exploration {
    fn default() -> Self {
        Self { squash: false, state_dependent: false, log_std: 0.0 }
    }
}

/// The last part of a policy: outputs become a distribution of the kind that suits an action space.
#[derive(Module, Debug)]
pub struct Head {
    /// Logarithms of standard deviations that do not depend on the observation. Shape `[K]`.
    log_std: Option<Param<Tensor<1>>>,
    #[module(skip)]
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Categorical,
    MultiCategorical(Vec<usize>),
    Bernoulli,
    Gaussian { len: usize, exploration: Exploration },
}

impl Head {
    /// For actions of `space`.
    #[must_use]
    pub fn new(space: &Space, exploration: Exploration, device: &Device) -> Self {
        let kind = match space {
            Space::Discrete { .. } => Kind::Categorical,
            Space::MultiDiscrete { sizes } => Kind::MultiCategorical(sizes.iter().map(|&n| n as usize).collect()),
            Space::MultiBinary { .. } => Kind::Bernoulli,
            Space::Box { low, .. } => Kind::Gaussian { len: low.len(), exploration },
        };
        let log_std = match &kind {
            #[allow(clippy::cast_possible_truncation)] // parameters are single precision
            Kind::Gaussian { len, exploration } if !exploration.state_dependent => {
                let values = TensorData::new(vec![exploration.log_std as f32; *len], [*len]);
                Some(Param::from_data(values, device))
            }
            _ => None,
        };
        Self { log_std, kind }
    }

    /// Outputs that a network must have for it.
    #[must_use]
    pub fn inputs(&self, space: &Space) -> usize {
        match (&self.kind, space) {
            (Kind::Categorical, Space::Discrete { n, .. }) => *n as usize,
            (Kind::MultiCategorical(sizes), _) => sizes.iter().sum(),
            (Kind::Gaussian { len, exploration }, _) if exploration.state_dependent => 2 * len,
            _ => space.flat_len(),
        }
    }

    /// The distribution that `outputs` (shape `[B, inputs]`) stand for, without the actions that are masked.
    #[must_use]
    pub fn distribution(&self, outputs: Tensor<2>, observation: &Observation) -> AnyDistribution {
        match (&self.kind, observation.action_mask.clone()) {
            (Kind::Categorical, None) => AnyDistribution::Categorical(Categorical::new(outputs)),
            (Kind::Categorical, Some(mask)) => AnyDistribution::Categorical(Categorical::masked(outputs, mask)),
            (Kind::MultiCategorical(sizes), None) => {
                AnyDistribution::MultiCategorical(MultiCategorical::new(outputs, sizes))
            }
            (Kind::MultiCategorical(sizes), Some(mask)) => {
                AnyDistribution::MultiCategorical(MultiCategorical::masked(outputs, sizes, mask))
            }
            (Kind::Bernoulli, _) => AnyDistribution::Bernoulli(Bernoulli::new(outputs)),
            (Kind::Gaussian { len, exploration }, _) => {
                let (mean, log_std) = self.moments(outputs, *len, *exploration);
                match exploration.squash {
                    true => AnyDistribution::SquashedGaussian(SquashedGaussian::new(mean, log_std)),
                    false => AnyDistribution::Gaussian(Gaussian::new(mean, log_std)),
                }
            }
        }
    }

    /// Means and logarithms of standard deviations. Shape `[B, K]` each.
    fn moments(&self, outputs: Tensor<2>, len: usize, exploration: Exploration) -> (Tensor<2>, Tensor<2>) {
        match &self.log_std {
            Some(log_std) => {
                let log_std = log_std.val().unsqueeze_dim::<2>(0).expand(outputs.dims());
                (outputs, log_std)
            }
            None => {
                let mean = outputs.clone().narrow(1, 0, len);
                let log_std = outputs.narrow(1, len, len).add_scalar(exploration.log_std);
                (mean, log_std.clamp(LOG_STD.0, LOG_STD.1))
            }
        }
    }
}
