//! One environment.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{EnvAction, EnvError, EnvRng, Space};

/// One environment: its state and its dynamics, and nothing else.
///
/// Time limits, resets at the end of an episode and statistics are the work of [`VecEnv`](crate::VecEnv), and every
/// random draw comes from the generator that is handed in.
pub trait Env: Send {
    /// What [`step`](Self::step) takes.
    type Action: EnvAction;

    /// Everything that changes and that later steps depend on, besides the generator that is handed in. Plain data: it is
    /// part of a checkpoint, and of a trace. What is chosen when the environment is made is not part of it: a state is loaded
    /// into an environment that was made the same way.
    type State: Serialize + DeserializeOwned;

    /// Name, spaces, time limit and reward threshold.
    fn spec() -> EnvSpec
    where
        Self: Sized;

    /// Starts an episode and writes its first observation into `observation` (of the flat length of the observation
    /// space).
    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]);

    /// Takes one action and writes the observation that follows into `observation`.
    fn step(&mut self, action: Self::Action, rng: &mut EnvRng, observation: &mut [f32]) -> Step;

    /// Are some actions impossible in some states? Then [`action_mask`](Self::action_mask) says which.
    const MASKS_ACTIONS: bool = false;

    /// Writes which actions are possible now: one flag for each element of a discrete space, or of each component of a
    /// multi-discrete one in turn. Not called unless [`MASKS_ACTIONS`](Self::MASKS_ACTIONS).
    fn action_mask(&self, _mask: &mut [bool]) {}

    /// The state as it is now.
    fn state(&self) -> Self::State;

    /// Goes on from a state that [`state`](Self::state) gave.
    fn set_state(&mut self, state: Self::State);
}

/// What one step returns besides the observation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The reward of the step.
    pub reward: f64,
    /// The episode has ended in a terminal state: nothing of value follows it.
    pub terminated: bool,
    /// The episode was cut off by the environment itself, for a reason outside the task; the state has a value. The
    /// time limit of [`EnvSpec::max_episode_steps`] need not be reported here.
    pub truncated: bool,
}

/// What is known of an environment before it is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnvSpec {
    /// Registered name, with its version: `CartPole-v1`.
    pub id: String,
    /// Space of the observations.
    pub observation_space: Space,
    /// Space of the actions.
    pub action_space: Space,
    /// Steps after which an episode is truncated, if there is a limit.
    pub max_episode_steps: Option<u32>,
    /// Mean return over 100 episodes from which the task counts as solved, if one is defined.
    pub reward_threshold: Option<f64>,
}

impl EnvSpec {
    /// Refuses spaces without elements, and bounds or a shape that do not belong together.
    ///
    /// # Errors
    /// [`EnvError::Spec`]
    pub fn check(&self) -> Result<(), EnvError> {
        let of_action = match self.action_space {
            Space::Image { .. } | Space::Dict { .. } => Some("is one for observations only"),
            _ => self.action_space.contradiction(),
        };
        let reasons = [("observation", self.observation_space.contradiction()), ("action", of_action)];
        match reasons.into_iter().find_map(|(what, reason)| Some((what, reason?))) {
            None => Ok(()),
            Some((what, reason)) => {
                Err(EnvError::Spec { id: self.id.clone(), reason: format!("the {what} space {reason}") })
            }
        }
    }
}
