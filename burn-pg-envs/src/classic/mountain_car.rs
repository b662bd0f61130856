//! `MountainCar-v0`.

#[cfg(feature = "cube")]
mod device;
pub(super) mod picture;

use crate::{Env, EnvRng, EnvSpec, Space, Step, render::Scene};

/// An underpowered car in a valley; the task is to swing it up the right hill.
///
/// Source: A. Moore, *Efficient memory-based learning for robot control* (1990), with Gymnasium's constants.
///
/// | observation | quantity | range |
/// | --- | --- | --- |
/// | 0 | position, m | -1.2..=0.6 |
/// | 1 | velocity, m/step | ±0.07 |
///
/// | action | meaning |
/// | --- | --- |
/// | 0 | accelerate left |
/// | 1 | do not accelerate |
/// | 2 | accelerate right |
///
/// The reward is -1 for each step. An episode starts at rest, uniform in -0.6..-0.4, terminates at a position of 0.5 or
/// more, and is truncated after 200 steps; the task is solved at a mean return of -110.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MountainCar {
    /// Position and velocity, in double precision.
    pub state: [f64; 2],
    /// Least velocity that counts at the goal, m/step; 0 by default. An option of Gymnasium's constructor.
    pub goal_velocity: f64,
}

const POSITION: (f64, f64) = (-1.2, 0.6);
const MAX_SPEED: f64 = 0.07;
const GOAL: f64 = 0.5;
const FORCE: f64 = 0.001;
const GRAVITY: f64 = 0.0025;

impl MountainCar {
    #[allow(clippy::cast_possible_truncation)] // observations are single precision
    #[inline]
    fn observe(&self, observation: &mut [f32]) {
        observation.copy_from_slice(&self.state.map(|quantity| quantity as f32));
    }
}

impl Env for MountainCar {
    type Action = u32;
    type State = [f64; 2];

    fn spec(&self) -> EnvSpec {
        let spec = EnvSpec::new(
            "MountainCar-v0",
            Space::Box { low: vec![-1.2, -0.07], high: vec![0.6, 0.07], shape: vec![2] },
            Space::discrete(3),
        );
        EnvSpec { max_episode_steps: Some(200), reward_threshold: Some(-110.0), ..spec }
    }

    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        self.state = [rng.uniform(-0.6, -0.4), 0.0];
        self.observe(observation);
    }

    #[inline]
    fn step(&mut self, action: u32, _rng: &mut EnvRng, observation: &mut [f32]) -> Step {
        let [position, velocity] = self.state;
        let push = (f64::from(action) - 1.0) * FORCE - (3.0 * position).cos() * GRAVITY;
        let velocity = (velocity + push).clamp(-MAX_SPEED, MAX_SPEED);
        let position = (position + velocity).clamp(POSITION.0, POSITION.1);
        let hits_wall = position <= POSITION.0 && velocity < 0.0;
        let velocity = if hits_wall { 0.0 } else { velocity };

        self.state = [position, velocity];
        self.observe(observation);
        let terminated = position >= GOAL && velocity >= self.goal_velocity;
        Step { reward: -1.0, terminated, truncated: false }
    }

    fn state(&self) -> [f64; 2] {
        self.state
    }

    fn set_state(&mut self, state: [f64; 2]) {
        self.state = state;
    }

    fn render(&self) -> Option<Scene> {
        Some(picture::of(self.state[0], GOAL))
    }
}
