//! A distribution that is chosen at run time.

use burn::tensor::Tensor;
use burn_pg_envs::{ActionBuffer, Space};

use super::{
    ActionMisfit, ActionStream, ActionTensor, Bernoulli, Beta, Categorical, Distribution, DistributionError, Gaussian,
    MultiCategorical, SquashedGaussian, StateDependentGaussian,
};

/// The distribution for the action space of an environment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AnyDistribution {
    /// Over a discrete space.
    Categorical(Categorical),
    /// Over several discrete components.
    MultiCategorical(MultiCategorical),
    /// Over several components that are true or false.
    Bernoulli(Bernoulli),
    /// Over a box.
    Gaussian(Gaussian),
    /// Over a box with the bounds ±1.
    SquashedGaussian(SquashedGaussian),
    /// Over a box, with gSDE noise.
    StateDependentGaussian(StateDependentGaussian),
    /// Over a box with the bounds ±1, with gSDE noise.
    SquashedStateDependentGaussian(SquashedGaussian<StateDependentGaussian>),
    /// Over a box with the bounds ±1, without a Gaussian.
    Beta(Beta),
}

/// Evaluates an expression for the distribution inside.
macro_rules! each {
    ($self:expr, $inner:ident => $body:expr) => {
        match $self {
            AnyDistribution::Categorical($inner) => $body,
            AnyDistribution::MultiCategorical($inner) => $body,
            AnyDistribution::Bernoulli($inner) => $body,
            AnyDistribution::Gaussian($inner) => $body,
            AnyDistribution::SquashedGaussian($inner) => $body,
            AnyDistribution::StateDependentGaussian($inner) => $body,
            AnyDistribution::SquashedStateDependentGaussian($inner) => $body,
            AnyDistribution::Beta($inner) => $body,
        }
    };
}

impl Distribution for AnyDistribution {
    fn parameters(&self) -> Tensor<2> {
        each!(self, inner => inner.parameters())
    }

    fn check_space(&self, space: &Space) -> Result<(), ActionMisfit> {
        each!(self, inner => inner.check_space(space))
    }

    fn log_prob(&self, actions: &ActionTensor) -> Tensor<1> {
        each!(self, inner => inner.log_prob(actions))
    }

    fn entropy(&self) -> Tensor<1> {
        each!(self, inner => inner.entropy())
    }

    /// # Panics
    /// If the two are of different kinds.
    fn kl(&self, other: &Self) -> Tensor<1> {
        match (self, other) {
            (Self::Categorical(p), Self::Categorical(q)) => p.kl(q),
            (Self::MultiCategorical(p), Self::MultiCategorical(q)) => p.kl(q),
            (Self::Bernoulli(p), Self::Bernoulli(q)) => p.kl(q),
            (Self::Gaussian(p), Self::Gaussian(q)) => p.kl(q),
            (Self::SquashedGaussian(p), Self::SquashedGaussian(q)) => p.kl(q),
            (Self::StateDependentGaussian(p), Self::StateDependentGaussian(q)) => p.kl(q),
            (Self::SquashedStateDependentGaussian(p), Self::SquashedStateDependentGaussian(q)) => p.kl(q),
            (Self::Beta(p), Self::Beta(q)) => p.kl(q),
            _ => panic!("the KL divergence needs two distributions of the same kind"),
        }
    }

    fn sample(
        &self,
        parameters: &[f32],
        streams: &mut [ActionStream],
        actions: &mut ActionBuffer,
        log_probs: &mut Vec<f32>,
    ) -> Result<(), DistributionError> {
        each!(self, inner => inner.sample(parameters, streams, actions, log_probs))
    }

    fn mode(&self, parameters: &[f32], actions: &mut ActionBuffer) -> Result<(), DistributionError> {
        each!(self, inner => inner.mode(parameters, actions))
    }

    fn to_env(&self, actions: &mut ActionBuffer) {
        each!(self, inner => inner.to_env(actions));
    }
}
