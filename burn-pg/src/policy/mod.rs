//! Policies: networks that map observations to a distribution over actions and to a value.

mod actor_critic;
mod cell;
pub(crate) mod encoder;
mod footprint;
mod head;
mod host_policy;
mod init;
mod inputs;
mod mlp;
mod observation;
mod perceptrons;
mod prediction;
mod rows;
mod sequences;
mod unsupported;

use burn::module::Module;

pub use crate::kernel::Activation;
pub use actor_critic::{ActorCritic, NetworkSpec};
pub use cell::{Cell, CellKind};
pub use encoder::{ConvSpec, Convolutions, Encoder, EncoderSpec};
pub(crate) use footprint::NetworkFootprint;
pub use head::{ActionDistribution, Exploration, GsdeNoise, Head};
pub(crate) use head::{Kind, LOG_STD};
pub use host_policy::{HostPolicy, HostWorkspace};
pub use init::orthogonal;
pub use mlp::Mlp;
pub use observation::{Input, Observation};
pub use perceptrons::Perceptrons;
pub(crate) use perceptrons::{FlatHead, LogStd, Place, reason};
pub use prediction::Prediction;
pub use rows::Rows;
pub use sequences::Sequences;
pub use unsupported::UnsupportedSpace;

use crate::distribution::Distribution;

/// A policy: an actor and, optionally, a critic, in one module. Implement this trait to train a network of your own.
pub trait Policy: Module {
    /// The type of its observations: [`Observation`] for a policy that acts in environments.
    type Observation: Rows;

    /// The distribution over actions.
    type Dist: Distribution;

    /// Returns the distribution over actions for B observations, and their values if there is a critic.
    ///
    /// A recurrent policy gets [`Observation::sequences`], and also returns its recurrent state after them.
    fn forward(&self, observation: Self::Observation) -> Prediction<Self::Dist>;

    /// Returns the distribution that [`forward`](Self::forward) returns. Default: the one of `forward`. Override it if
    /// the values take computations of their own.
    fn distribution(&self, observation: Self::Observation) -> Self::Dist {
        self.forward(observation).distribution
    }

    /// Returns a copy of the current policy that acts on the host without tensors, if the policy supports that.
    /// Default: `None`. Rollouts are faster with such a copy, because each thread steps a block of environments through
    /// a whole rollout.
    fn on_host(&self) -> Option<HostPolicy<Self::Dist>> {
        None
    }

    /// Describes the networks of the policy as perceptrons, if they are nothing else; otherwise says why they are not, as
    /// in "the policy is recurrent". Updates are faster with such a policy; see [`Unfused`](crate::update::Unfused).
    ///
    /// A policy that passes on those of another one must have the same trainable parameters in the same order, and compute
    /// the same.
    ///
    /// # Errors
    /// Default: "the policy has networks of its own".
    fn perceptrons(&self) -> Result<Perceptrons, &'static str> {
        Err(perceptrons::reason::OWN)
    }

    /// Elements of the recurrent state, M. Default 0: the policy is not recurrent.
    fn state_len(&self) -> usize {
        0
    }
}
