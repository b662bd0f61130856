//! A trained policy with everything it needs to act in its environment.

mod evaluate;
pub mod export;
pub mod import;
mod misfit;
mod play;
mod player;
mod transform;

use burn::tensor::{Device, Tensor, TensorData};
use burn_pg_envs::{
    ActionBuffer, EnvError, EnvOptions, EnvSpec, Space, VectorEnv, make_with,
    wrapper::{ActionTransform, ObservationNormalizer},
};

use crate::{
    Error,
    device::readback::read,
    distribution::Distribution,
    policy::{ActorCritic, HostPolicy, HostWorkspace, Observation, Policy, Prediction, Sequences},
    source::{check_observations, observe},
};

pub use crate::source::streams::selection_seed;
pub use evaluate::{Evaluation, evaluate, evaluate_episodes, evaluation_envs};
pub use misfit::EnvMisfit;
pub(crate) use misfit::check_envs;
pub use play::{Moment, play};
pub use player::Player;

/// A trained policy with its observation normaliser and its action transform. It maps observations as the environment
/// gives them to actions as the environment takes them.
///
/// ```
/// use burn_pg::{Agent, burn::tensor::Device, policy::{ActorCritic, NetworkSpec}};
/// use burn_pg_envs::{EnvRng, spec};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let spec = spec("CartPole-v1")?;
/// let policy = ActorCritic::new(&spec, &NetworkSpec::default(), &mut EnvRng::new(0), &Device::flex())?;
/// let agent = Agent::new(policy, spec, None)?;
/// let decision = agent.decide(&[0.01, -0.02, 0.03, 0.04], &[], None)?;
/// assert_eq!(decision.actions.len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Agent<P: Policy<Observation = Observation> = ActorCritic> {
    pub(crate) policy: P,
    pub(crate) spec: EnvSpec,
    pub(crate) normalizer: Option<ObservationNormalizer>,
    pub(crate) transform: Option<ActionTransform>,
    device: Device,
    /// A copy of the policy that acts on the host without tensors, if there is one.
    on_host: Option<HostPolicy<P::Dist>>,
}

/// The output of an agent for B observations.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Decision {
    /// The most probable actions, as the environment takes them; discrete ones are counted from 0.
    pub actions: ActionBuffer,
    /// The parameters of the distributions over actions, as in [`Distribution::parameters`]: logits; means followed by
    /// logarithms of standard deviations, before any clipping or squashing; or the concentrations of Beta distributions.
    /// Shape `[B, P]`.
    pub parameters: Vec<f32>,
    /// Estimated values of the observations, if there is a critic; [normalised](crate::source::ValueNormalizer) ones, if it has
    /// learnt those. Shape `[B]`.
    pub values: Option<Vec<f32>>,
    /// The recurrent state after the observations, if the policy is recurrent. Shape `[B, M]`.
    pub state: Option<Vec<f32>>,
}

/// Returns the transform from the actions of a policy to those of an environment, if they are continuous.
///
/// # Errors
/// As [`Agent::new`].
pub(crate) fn action_transform<P: Policy<Observation = Observation>>(
    policy: &P,
    spec: &EnvSpec,
) -> Result<Option<ActionTransform>, Error> {
    match spec.action_space {
        Space::Box { .. } => Ok(Agent::new(policy.clone(), spec.clone(), None)?.transform),
        _ => Ok(None),
    }
}

impl Agent {
    /// Returns the names of the parts of an observation that decide on the action, without those that only the critic sees;
    /// empty if observations have no parts.
    #[must_use]
    pub fn inputs(&self) -> Vec<&str> {
        let Space::Dict { parts } = &self.spec.observation_space else { return Vec::new() };
        self.policy.actor_places().iter().map(|&place| parts[place].name.as_str()).collect()
    }
}

impl<P: Policy<Observation = Observation>> Agent<P> {
    /// Creates an agent for an environment with the specification `spec`, without wrappers. Removes autodiff from
    /// `policy`.
    ///
    /// Continuous actions are clipped to the bounds of their space. If the distribution of the policy only fits the
    /// bounds ±1, for example because it is squashed, the actions are rescaled to the bounds of the space instead.
    ///
    /// # Errors
    /// [`Error::Env`] if the specification contradicts itself, if actions must be rescaled but the action space has
    /// infinite bounds, or if the normaliser does not fit the observations; [`Error::ActionMisfit`] if the policy is
    /// for another action space.
    ///
    /// # Panics
    /// If the policy is for observations of another length.
    #[allow(clippy::needless_pass_by_value)] // the agent owns the policy
    pub fn new(policy: P, spec: EnvSpec, normalizer: Option<ObservationNormalizer>) -> Result<Self, Error> {
        spec.check()?;
        let observed = spec.observation_space.flat_len();
        if let Some(normalizer) = &normalizer {
            normalizer.check(observed)?;
        }
        let policy = policy.valid();
        let device = policy.devices().first().cloned().unwrap_or_default().without_autodiff();
        let on_host = policy.on_host();
        let agent = Self { policy, spec, normalizer, transform: None, device, on_host };
        let masks = vec![true; agent.spec.mask_len()];
        let distribution = agent.predict(vec![0.0; observed], &masks, None).distribution;
        let transform = transform::between(&distribution, &agent.spec.action_space)?;
        Ok(Self { transform, ..agent })
    }

    /// Returns the policy, which maps normalised observations to distributions.
    #[must_use]
    pub fn policy(&self) -> &P {
        &self.policy
    }

    /// Returns the observation normaliser, if observations are normalised.
    #[must_use]
    pub fn normalizer(&self) -> Option<&ObservationNormalizer> {
        self.normalizer.as_ref()
    }

    /// Returns the specification of the environment, without wrappers.
    #[must_use]
    pub fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    /// Returns the length of the recurrent state, M; 0 if the policy is not recurrent.
    #[must_use]
    pub fn state_len(&self) -> usize {
        self.policy.state_len()
    }

    /// Makes environments with these options from now on, such as with another Python, or so that they can be rendered.
    pub fn set_env_options(&mut self, options: EnvOptions) {
        self.spec.options = options;
    }

    /// Creates `num_envs` copies of the agent's environment, for example to [evaluate] the agent.
    ///
    /// # Errors
    /// [`Error::Unregistered`] if this program has no environment of that name; [`Error::Env`] if `num_envs` is 0.
    pub fn make_envs(&self, num_envs: usize) -> Result<Box<dyn VectorEnv>, Error> {
        match make_with(&self.spec.id, num_envs, &self.spec.options) {
            Err(source @ EnvError::Unknown(_)) => Err(Error::Unregistered { env: self.spec.id.clone(), source }),
            made => Ok(made?),
        }
    }

    /// Chooses the most probable actions for B observations (shape `[B, D]`), and returns them with the outputs of the
    /// policy. `action_masks` says which actions are possible, with [`mask_len`](EnvSpec::mask_len) flags for each
    /// observation; it is empty if actions are not masked. A recurrent policy continues from the recurrent state
    /// `state` (shape `[B, M]`); without a state, each row starts an episode. The network runs once.
    ///
    /// To act step by step, use a [`player`](Self::player): it keeps the recurrent state and reuses its buffers.
    ///
    /// # Errors
    /// [`Error::Observation`] or [`Error::ImageValue`] if an observation is invalid, [`Error::Policy`] if the policy's
    /// output is not a distribution, [`Error::Execution`] if the device fails.
    ///
    /// # Panics
    /// If there are no observations, or the elements are not whole rows.
    pub fn decide(
        &self,
        observations: &[f32],
        action_masks: &[bool],
        state: Option<&[f32]>,
    ) -> Result<Decision, Error> {
        let width = self.spec.observation_space.flat_len();
        assert!(
            !observations.is_empty() && observations.len().is_multiple_of(width),
            "observations must be whole rows of {width} values"
        );
        check_observations(observations, &self.spec.observation_space, 0)?;
        let mut observations = observations.to_vec();
        if let Some(normalizer) = &self.normalizer {
            normalizer.apply(&mut observations);
        }
        let refused = |source| Error::Policy { update: None, env_steps: 0, source };
        let mut actions = ActionBuffer::new(&self.spec.action_space);
        let (parameters, values, state) = if let Some(policy) = &self.on_host {
            let mut workspace = HostWorkspace::new(&self.spec.action_space);
            actions.set(policy.act(&observations, action_masks, &mut workspace).map_err(refused)?.as_actions());
            (workspace.parameters().to_vec(), policy.values(&observations), None)
        } else {
            let Prediction { distribution, values, state, .. } = self.predict(observations, action_masks, state);
            let [parameters] = read([distribution.parameters().flatten(0, 1)])?;
            distribution.mode(&parameters, &mut actions).map_err(refused)?;
            distribution.to_env(&mut actions);
            let values = values.map(|values| read([values])).transpose()?.map(|[values]| values);
            let state = state.map(|state| read([state.flatten(0, 1)])).transpose()?.map(|[state]| state);
            (parameters, values, state)
        };
        self.transform(&mut actions);
        Ok(Decision { actions, parameters, values, state })
    }

    /// Clips or rescales continuous actions in place.
    fn transform(&self, actions: &mut ActionBuffer) {
        if let (Some(transform), ActionBuffer::Continuous(actions)) = (&self.transform, actions) {
            transform.apply(actions);
        }
    }

    /// Runs the policy on normalised observations.
    fn predict(&self, observations: Vec<f32>, action_masks: &[bool], state: Option<&[f32]>) -> Prediction<P::Dist> {
        let batch = observations.len() / self.spec.observation_space.flat_len();
        let mut observation = observe(&self.spec.observation_space, observations, action_masks, &self.device);
        let len = self.state_len();
        if len > 0 {
            let begins = Tensor::from_data(TensorData::new(vec![state.is_none(); batch], [batch, 1]), &self.device);
            let state = state.map_or_else(|| vec![0.0; batch * len], <[f32]>::to_vec);
            let state = Tensor::from_data(TensorData::new(state, [batch, len]), &self.device);
            observation = observation.with_sequences(Sequences { state, begins });
        }
        self.policy.forward(observation)
    }
}
