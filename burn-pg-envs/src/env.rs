//! One environment.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{EnvAction, EnvError, EnvOptions, EnvRng, Space, render::Scene};

/// One environment: its state and its dynamics, and nothing else.
///
/// [`VecEnv`](crate::VecEnv) adds time limits, resets at the end of an episode and statistics. Every random draw comes
/// from the generator that is passed in.
pub trait Env: Send {
    /// The kind of action that [`step`](Self::step) takes: `u32`, an array such as `[f32; 3]`, or a slice such as
    /// `[f32]` if the number of components is known at run time only. See [`EnvAction`].
    type Action: EnvAction + ?Sized;

    /// Everything that changes and that later steps depend on, except the generator that is passed in. Checkpoints and
    /// traces contain it. Options that are fixed when the environment is created are not part of it: a state is loaded
    /// into an environment with the same options.
    type State: Serialize + DeserializeOwned;

    /// Returns the name, the spaces, the time limit and whether actions are masked. It must never change. Environments
    /// of one type may have different specifications, but not in one [`VecEnv`](crate::VecEnv).
    fn spec(&self) -> EnvSpec;

    /// Starts an episode and writes its first observation into `observation`, whose length is the flat length
    /// of the observation space.
    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]);

    /// Takes one action and writes the observation that follows into `observation`.
    ///
    /// The type of `action` is `Self::Action` itself, or `&[f32]` for `[f32]`.
    fn step(
        &mut self,
        action: <Self::Action as EnvAction>::View<'_>,
        rng: &mut EnvRng,
        observation: &mut [f32],
    ) -> Step;

    /// Writes which actions are possible now: one flag for each element of a discrete space, or for each element of
    /// each component of a multi-discrete space. All flags are true on entry. Called only if [`EnvSpec::masks_actions`]
    /// is set.
    fn action_mask(&self, _mask: &mut [bool]) {}

    /// Returns the current state.
    fn state(&self) -> Self::State;

    /// Sets a state that [`state`](Self::state) returned.
    fn set_state(&mut self, state: Self::State);

    /// Returns a picture of the current state. Default: `None`, there is no picture. See [`render`](crate::render).
    fn render(&self) -> Option<Scene> {
        None
    }
}

/// The result of one step, besides the observation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The reward of the step.
    pub reward: f64,
    /// True if the episode has ended in a terminal state: no reward follows.
    pub terminated: bool,
    /// True if the environment has cut the episode off for a reason outside the task, so that the last state still has
    /// a value. Not needed for the time limit of [`EnvSpec::max_episode_steps`].
    pub truncated: bool,
}

/// The specification of an environment: everything known without stepping it.
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
    /// True if some actions are impossible in some states, so that each observation comes with a mask.
    #[serde(default)]
    pub masks_actions: bool,
    /// What the environments were made with; empty for those that take no options.
    #[serde(default, skip_serializing_if = "EnvOptions::is_empty")]
    pub options: EnvOptions,
}

impl EnvSpec {
    /// Creates a specification without a time limit, a reward threshold or masks.
    pub fn new(id: impl Into<String>, observation_space: Space, action_space: Space) -> Self {
        Self {
            id: id.into(),
            observation_space,
            action_space,
            max_episode_steps: None,
            reward_threshold: None,
            masks_actions: false,
            options: EnvOptions::default(),
        }
    }

    /// Returns the number of flags in the mask of one environment: 0 if actions are not masked.
    #[must_use]
    pub fn mask_len(&self) -> usize {
        if self.masks_actions { self.action_space.mask_len() } else { 0 }
    }

    /// Returns the first part in which `other` differs, as its name and both values.
    pub(crate) fn difference(&self, other: &Self) -> Option<(&'static str, String, String)> {
        let parts = |spec: &Self| {
            let limit = spec.max_episode_steps.map_or_else(|| "none".into(), |steps| steps.to_string());
            [
                ("name", spec.id.clone()),
                ("observation space", spec.observation_space.to_string()),
                ("action space", spec.action_space.to_string()),
                ("time limit", limit),
                ("`masks_actions`", spec.masks_actions.to_string()),
            ]
        };
        let others = Self { options: self.options.clone(), ..other.clone() };
        if *self == others && self.options.makes_the_same(&other.options) {
            return None;
        }
        let mut pairs = parts(self).into_iter().zip(parts(other));
        let differs =
            |((what, ours), (_, theirs)): ((_, String), (_, String))| (ours != theirs).then_some((what, ours, theirs));
        // Bounds and thresholds are too long to show.
        Some(pairs.find_map(differs).unwrap_or(("specification", "one".into(), "another".into())))
    }

    /// Checks that both spaces have elements and that their bounds and shapes agree, that the action space is neither
    /// an image nor a dictionary, and that it can have masks if [`masks_actions`](Self::masks_actions) is set.
    ///
    /// # Errors
    /// [`EnvError::Spec`]
    pub fn check(&self) -> Result<(), EnvError> {
        let of_action = match &self.action_space {
            Space::Image { .. } | Space::Dict { .. } => Some("is one for observations only"),
            space if self.masks_actions && space.mask_len() == 0 => Some("has no masks"),
            space => space.contradiction(),
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
