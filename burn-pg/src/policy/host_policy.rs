//! Policies that act without tensors.

use std::sync::Arc;

use burn::tensor::Tensor;
use burn_pg_envs::{ActionBuffer, Space};

use super::{Head, Mlp, Observation, head::HostHead, mlp::chain_on_host};
use crate::{
    distribution::{ActionStream, AnyDistribution, Distribution, DistributionError},
    kernel::host::{Network, Workspace},
};

/// Most rows of a call that one thread computes alone; more rows are split between threads.
const ROWS: usize = 256;

/// A copy of a policy on the host, with the weights from the time of the copy. It acts without tensors and reuses its
/// memory, so a step costs little more than its arithmetic.
///
/// ```
/// use burn_pg::{burn::tensor::Device, policy::{Policy, HostWorkspace, ActorCritic, NetworkSpec}};
/// use burn_pg_envs::{EnvRng, make};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let envs = make("CartPole-v1", 1)?;
/// let policy = ActorCritic::new(envs.spec(), &NetworkSpec::default(), &mut EnvRng::new(0), &Device::flex())?;
/// let policy = policy.on_host().expect("there is one on the flex backend");
/// let mut workspace = HostWorkspace::new(&envs.spec().action_space);
/// let actions = policy.act(&[0.01, -0.02, 0.03, 0.04], &[], &mut workspace)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct HostPolicy<D> {
    actor: Arc<Network<f32>>,
    critic: Option<Arc<Network<f32>>>,
    head: HostHead,
    /// A distribution of one row; only its kind is used, to turn parameters into actions.
    distribution: D,
}

/// Reusable memory for acting with a [`HostPolicy`].
#[derive(Debug, Clone)]
pub struct HostWorkspace {
    network: Workspace<f32>,
    parameters: Vec<f32>,
    actions: ActionBuffer,
    /// Values of an action.
    action_len: usize,
}

impl HostWorkspace {
    /// Creates the memory for actions of `space`.
    #[must_use]
    pub fn new(space: &Space) -> Self {
        let (actions, action_len) = (ActionBuffer::new(space), space.flat_len());
        Self { network: Workspace::default(), parameters: Vec::new(), actions, action_len }
    }

    /// The last actions, in the form that the environment takes.
    #[must_use]
    pub fn actions(&self) -> &ActionBuffer {
        &self.actions
    }

    /// The parameters of the distributions of the last actions.
    pub(crate) fn parameters(&self) -> &[f32] {
        &self.parameters
    }
}

impl HostPolicy<AnyDistribution> {
    /// Copies an actor and a critic that are chains of perceptrons, with an activation between any two layers. Returns
    /// `None` if they are not on the `flex` backend in single precision, if a chain mixes activations, or if the head
    /// has gSDE noise.
    ///
    /// # Panics
    /// If `actor` is empty.
    #[must_use]
    pub fn new(actor: &[&Mlp], critic: Option<&[&Mlp]>, head: &Head) -> Option<Self> {
        let head_on_host = head.on_host()?;
        let device = actor[0].device();
        let actor = chain_on_host(actor)?;
        let critic = match critic {
            None => None,
            Some(critic) => Some(chain_on_host(critic)?),
        };
        let observation = Observation::from(Tensor::zeros([1, actor.inputs()], &device));
        let distribution = head.distribution(Tensor::zeros([1, actor.outputs()], &device), None, &observation);
        Some(Self { actor: Arc::new(actor), critic: critic.map(Arc::new), head: head_on_host, distribution })
    }
}

impl<D: Distribution> HostPolicy<D> {
    /// Returns the most probable action for each of B observations (shape `[B, D]`), in the form that the environment
    /// takes. Only actions that are possible according to `action_masks` (shape `[B, M]`, or empty) are chosen. The
    /// workspace must be made for the action space. After a first call with as many rows, a call with up to 256 rows
    /// allocates no memory.
    ///
    /// # Errors
    /// [`DistributionError`] if the policy's output for an observation is not a distribution.
    ///
    /// # Panics
    /// If the observations are not whole rows of D values, or the masks do not have shape `[B, M]`.
    pub fn act<'a>(
        &self,
        observations: &[f32],
        action_masks: &[bool],
        workspace: &'a mut HostWorkspace,
    ) -> Result<&'a ActionBuffer, DistributionError> {
        self.parameters(observations, action_masks, workspace);
        let HostWorkspace { parameters, actions, .. } = workspace;
        actions.clear();
        self.distribution.mode(parameters, actions)?;
        self.distribution.to_env(actions);
        Ok(actions)
    }

    /// Samples an action for each of B observations, row `i` with `streams[i]`. Appends the actions, in the form that
    /// the policy learns from, and their log-probabilities. Returns the actions in the form that the environment takes.
    ///
    /// # Errors
    /// As [`act`](Self::act); nothing is appended then.
    ///
    /// # Panics
    /// As [`act`](Self::act), and if there is not one stream for each row.
    pub fn sample<'a>(
        &self,
        observations: &[f32],
        action_masks: &[bool],
        streams: &mut [ActionStream],
        actions: &mut ActionBuffer,
        log_probs: &mut Vec<f32>,
        workspace: &'a mut HostWorkspace,
    ) -> Result<&'a ActionBuffer, DistributionError> {
        assert_eq!(observations.len(), streams.len() * self.actor.inputs(), "one observation for each stream");
        self.parameters(observations, action_masks, workspace);
        self.distribution.sample(&workspace.parameters, streams, actions, log_probs)?;
        workspace.actions.set(actions.last(streams.len() * workspace.action_len));
        self.distribution.to_env(&mut workspace.actions);
        Ok(&workspace.actions)
    }

    /// Returns the values of observations (shape `[B, D]`), if there is a critic. Shape `[B]`.
    pub(crate) fn values(&self, observations: &[f32]) -> Option<Vec<f32>> {
        self.critic.as_ref().map(|critic| critic.infer_many(observations))
    }

    /// Writes the parameters of the distributions to the workspace.
    fn parameters(&self, observations: &[f32], action_masks: &[bool], workspace: &mut HostWorkspace) {
        let HostWorkspace { network, parameters, .. } = workspace;
        let (inputs, width) = (self.actor.inputs(), self.actor.outputs());
        assert_eq!(observations.len() % inputs, 0, "observations of the length that the policy was made for");
        if observations.len() > ROWS * inputs {
            let outputs = self.actor.infer_many(observations);
            return self.head.parameters(&outputs, width, action_masks, parameters);
        }
        self.head.parameters(self.actor.infer(observations, network), width, action_masks, parameters);
    }
}
