//! Values that are not finite end a run before the weights change, with an error that names their origin.

mod attribution;
mod data;

use burn_pg::envs::{Env, EnvRng, EnvSpec, Space, Step};

/// An environment with episodes of four steps. Episode [`FOLLOWED`] has these observations and rewards; in the others every
/// observation is 1 and every reward 0.
struct Script {
    observations: [f32; 5],
    rewards: [f64; 4],
    episode: u32,
    step: usize,
}

/// The episode that follows the [`Script`]: creating environments uses up one episode, and so does each update.
const FOLLOWED: u32 = 3;

impl Script {
    fn new(observations: [f32; 5], rewards: [f64; 4]) -> Self {
        Self { observations, rewards, episode: 0, step: 0 }
    }
}

impl Env for Script {
    type Action = u32;
    type State = (u32, usize);

    fn spec(&self) -> EnvSpec {
        EnvSpec { max_episode_steps: Some(4), ..EnvSpec::new("Script", Space::symmetric(&[1.0]), Space::discrete(2)) }
    }

    fn reset(&mut self, _: &mut EnvRng, observation: &mut [f32]) {
        (self.episode, self.step) = (self.episode + 1, 0);
        observation[0] = if self.episode == FOLLOWED { self.observations[0] } else { 1.0 };
    }

    fn step(&mut self, _: u32, _: &mut EnvRng, observation: &mut [f32]) -> Step {
        self.step += 1;
        let followed = self.episode == FOLLOWED;
        observation[0] = if followed { self.observations[self.step] } else { 1.0 };
        let reward = if followed { self.rewards[self.step - 1] } else { 0.0 };
        Step { reward, terminated: false, truncated: false }
    }

    fn state(&self) -> (u32, usize) {
        (self.episode, self.step)
    }

    fn set_state(&mut self, (episode, step): (u32, usize)) {
        (self.episode, self.step) = (episode, step);
    }
}

/// An environment that does nothing.
struct Still(Vec<f32>);

impl Env for Still {
    type Action = u32;
    type State = ();

    fn spec(&self) -> EnvSpec {
        EnvSpec {
            id: "Still".into(),
            observation_space: Space::symmetric(&vec![1.0; self.0.len()]),
            ..Script::new([0.0; 5], [0.0; 4]).spec()
        }
    }

    fn reset(&mut self, _: &mut EnvRng, observation: &mut [f32]) {
        observation.copy_from_slice(&self.0);
    }

    fn step(&mut self, _: u32, _: &mut EnvRng, _: &mut [f32]) -> Step {
        Step { reward: 0.0, terminated: false, truncated: false }
    }

    fn state(&self) {}

    fn set_state(&mut self, (): ()) {}
}
