//! Policies: networks that map observations to a distribution over actions and to a value.

mod activation;
mod init;
mod mlp;

use burn::{module::Module, tensor::Tensor};

pub use activation::Activation;
pub use init::orthogonal;
pub use mlp::{Mlp, MlpActorCritic};

use crate::distribution::Distribution;

/// An actor and a critic in one module. A network of your own plugs in by implementing this.
pub trait ActorCritic: Module {
    /// The distribution over actions.
    type Dist: Distribution;

    /// The distribution over actions for observations of shape `[B, D]`.
    fn distribution(&self, observations: Tensor<2>) -> Self::Dist;

    /// The estimated value of observations of shape `[B, D]`. Shape `[B]`.
    fn value(&self, observations: Tensor<2>) -> Tensor<1>;

    /// Both at once; a network with a shared trunk runs it once here.
    fn forward(&self, observations: Tensor<2>) -> (Self::Dist, Tensor<1>) {
        (self.distribution(observations.clone()), self.value(observations))
    }
}
