//! Policies: networks that map observations to a distribution over actions and to a value.

mod activation;
mod head;
mod init;
mod mlp;
mod observation;

use burn::{module::Module, tensor::Tensor};
use burn_pg_envs::EnvSpec;

pub use activation::Activation;
pub use head::{Exploration, Head, HeldNoise};
pub use init::orthogonal;
pub use mlp::{Mlp, MlpActorCritic, MlpShape};
pub use observation::Observation;

use crate::distribution::Distribution;

/// There is no policy for a space of an environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment `{env}` has the {what} space {space}, for which there is no policy yet")]
pub struct UnsupportedSpace {
    /// The environment.
    pub env: String,
    /// "observation" or "action".
    pub what: &'static str,
    /// The space.
    pub space: String,
}

impl UnsupportedSpace {
    pub(crate) fn observation(spec: &EnvSpec) -> Self {
        Self { env: spec.id.clone(), what: "observation", space: spec.observation_space.to_string() }
    }
}

/// An actor and a critic in one module. A network of your own plugs in by implementing this.
pub trait ActorCritic: Module {
    /// The distribution over actions.
    type Dist: Distribution;

    /// The distribution over actions for B observations.
    fn distribution(&self, observation: Observation) -> Self::Dist;

    /// The estimated value of B observations. Shape `[B]`.
    fn value(&self, observation: Observation) -> Tensor<1>;

    /// Both at once; a network with a shared trunk runs it once here.
    fn forward(&self, observation: Observation) -> (Self::Dist, Tensor<1>) {
        (self.distribution(observation.clone()), self.value(observation))
    }
}
