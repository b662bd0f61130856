//! An agent that acts step by step.

use burn_pg_envs::ActionBuffer;

use super::Agent;
use crate::{
    Error,
    device::readback::read,
    distribution::{ActionStream, Distribution},
    policy::{ActorCritic, HostWorkspace, Observation, Policy, Prediction},
    source::{RecurrentState, check_observations, observe, streams},
};

/// An agent that acts in N environments step by step. It keeps the recurrent states of their episodes, and reuses its
/// buffers: on the host, only the first step allocates.
///
/// ```
/// use burn_pg::{Agent, burn::tensor::Device, policy::{ActorCritic, NetworkSpec}};
/// use burn_pg_envs::{EnvRng, spec};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let spec = spec("CartPole-v1")?;
/// let policy = ActorCritic::new(&spec, &NetworkSpec::default(), &mut EnvRng::new(0), &Device::flex())?;
/// let mut player = Agent::new(policy, spec, None)?.player(1);
/// let actions = player.act(&[0.01, -0.02, 0.03, 0.04], &[])?;
/// assert_eq!(actions.len(), 1);
/// # Ok(())
/// # }
/// ```
pub struct Player<P: Policy<Observation = Observation> = ActorCritic> {
    agent: Agent<P>,
    num_envs: usize,
    /// The recurrent states, if the policy is recurrent.
    recurrent: RecurrentState,
    /// Streams of random numbers that actions are sampled with; `None` if the most probable actions are taken.
    streams: Option<Vec<ActionStream>>,
    /// Environment steps taken so far.
    env_steps: u64,
    /// Normalised observations.
    observations: Vec<f32>,
    workspace: HostWorkspace,
    /// Sampled actions before the transform, and their log-probabilities.
    drawn: ActionBuffer,
    log_probs: Vec<f32>,
    /// Actions as the environments take them.
    actions: ActionBuffer,
}

impl<P: Policy<Observation = Observation>> Agent<P> {
    /// Returns a player that acts in `num_envs` environments at once, with the most probable actions.
    #[must_use]
    pub fn player(&self, num_envs: usize) -> Player<P> {
        let space = &self.spec.action_space;
        Player {
            agent: self.clone(),
            num_envs,
            recurrent: RecurrentState::new(num_envs, self.state_len(), &self.device),
            streams: None,
            env_steps: 0,
            observations: Vec::new(),
            workspace: HostWorkspace::new(space),
            drawn: ActionBuffer::new(space),
            log_probs: Vec::new(),
            actions: ActionBuffer::new(space),
        }
    }
}

impl<P: Policy<Observation = Observation>> Player<P> {
    /// Samples actions from the policy's distributions instead of taking the most probable ones.
    #[must_use]
    pub fn stochastic(self, seed: u64) -> Self {
        Self { streams: Some(streams::actions(seed, 0, self.num_envs)), ..self }
    }

    /// Chooses an action for each observation (shape `[N, D]`, as the environments give them), and returns the actions
    /// as the environments take them. `action_masks` (shape `[N, M]`) says which actions are possible; it is empty if
    /// actions are not masked.
    ///
    /// # Errors
    /// [`Error::Observation`] or [`Error::ImageValue`] if an observation is invalid, [`Error::Policy`] if the policy's
    /// output is not a distribution, [`Error::Execution`] if the device fails.
    ///
    /// # Panics
    /// If there is not one observation for each environment.
    pub fn act(&mut self, observations: &[f32], action_masks: &[bool]) -> Result<&ActionBuffer, Error> {
        let Self { agent, recurrent, streams, workspace, drawn, log_probs, actions, env_steps, .. } = self;
        let space = &agent.spec.observation_space;
        assert_eq!(observations.len(), self.num_envs * space.flat_len(), "one observation for each environment");
        check_observations(observations, space, *env_steps)?;
        self.observations.clear();
        self.observations.extend_from_slice(observations);
        if let Some(normalizer) = &agent.normalizer {
            normalizer.apply(&mut self.observations);
        }
        let refused = |source| Error::Policy { update: None, env_steps: *env_steps, source };
        log_probs.clear();
        if let Some(policy) = &agent.on_host {
            drawn.clear();
            let chosen = match streams {
                Some(streams) => policy.sample(&self.observations, action_masks, streams, drawn, log_probs, workspace),
                None => policy.act(&self.observations, action_masks, workspace),
            };
            actions.set(chosen.map_err(refused)?.as_actions());
        } else {
            let observation = observe(space, self.observations.clone(), action_masks, &agent.device);
            let observation = recurrent.attach(observation, &[]);
            let (distribution, state) = match agent.state_len() {
                0 => (agent.policy.distribution(observation), None),
                _ => {
                    let Prediction { distribution, state, .. } = agent.policy.forward(observation);
                    (distribution, state)
                }
            };
            recurrent.advance(state);
            let [parameters] = read([distribution.parameters().flatten(0, 1)])?;
            actions.clear();
            let chosen = match streams {
                Some(streams) => distribution.sample(&parameters, streams, actions, log_probs),
                None => distribution.mode(&parameters, actions),
            };
            chosen.map_err(refused)?;
            distribution.to_env(actions);
        }
        agent.transform(actions);
        *env_steps += self.num_envs as u64;
        Ok(actions)
    }

    /// Starts new episodes in `envs`: their recurrent states are reset to 0 for the next step.
    ///
    /// # Panics
    /// If there is no such environment.
    pub fn begin_episodes(&mut self, envs: impl IntoIterator<Item = usize>) {
        self.recurrent.end_episodes(envs.into_iter());
    }
}
