//! A time limit for one environment.

use serde::{Deserialize, Serialize};

use crate::{Env, EnvAction, EnvRng, EnvSpec, Step, render::Scene};

/// An environment with its own time limit: episodes are truncated after that number of steps.
///
/// [`VectorEnv::set_time_limit`](crate::VectorEnv::set_time_limit) sets one limit for a whole batch, and the
/// specification of an environment may have a limit too; the shortest limit applies.
#[derive(Debug, Clone)]
pub struct TimeLimit<E> {
    env: E,
    steps: u32,
    elapsed: u32,
}

/// The saved state of a [`TimeLimit`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TimeLimitState<S> {
    /// The state of the wrapped environment.
    pub env: S,
    /// The limit, in steps.
    pub steps: u32,
    /// Steps since the last reset.
    pub elapsed: u32,
}

impl<E> TimeLimit<E> {
    /// Wraps `env` with at most `steps` steps per episode.
    #[must_use]
    pub fn new(env: E, steps: u32) -> Self {
        Self { env, steps, elapsed: 0 }
    }
}

impl<E: Env> Env for TimeLimit<E> {
    type Action = E::Action;
    type State = TimeLimitState<E::State>;

    fn spec(&self) -> EnvSpec {
        self.env.spec()
    }

    fn action_mask(&self, mask: &mut [bool]) {
        self.env.action_mask(mask);
    }

    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        self.elapsed = 0;
        self.env.reset(rng, observation);
    }

    fn step(&mut self, action: <E::Action as EnvAction>::View<'_>, rng: &mut EnvRng, observation: &mut [f32]) -> Step {
        let step = self.env.step(action, rng, observation);
        self.elapsed += 1;
        Step { truncated: step.truncated || self.elapsed >= self.steps, ..step }
    }

    fn state(&self) -> Self::State {
        TimeLimitState { env: self.env.state(), steps: self.steps, elapsed: self.elapsed }
    }

    fn set_state(&mut self, state: Self::State) {
        self.env.set_state(state.env);
        self.steps = state.steps;
        self.elapsed = state.elapsed;
    }

    fn render(&self) -> Option<Scene> {
        self.env.render()
    }
}
