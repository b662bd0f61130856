//! `MountainCarContinuous-v0`.

#[cfg(feature = "cube")]
mod device;

use super::mountain_car::picture;
use crate::{Env, EnvRng, EnvSpec, Space, Step, render::Scene};

/// An underpowered car in a valley with a continuous throttle; the task is to swing it up the right hill with little
/// effort.
///
/// Source: A. Moore, *Efficient memory-based learning for robot control* (1990), as in Gymnasium, including its
/// oddities. The force is clipped, but the cost is computed from the unclipped action. The state has double precision
/// at the start of an episode, and single precision from the first step on.
///
/// | observation | quantity | range |
/// | --- | --- | --- |
/// | 0 | position, m | -1.2..=0.6 |
/// | 1 | velocity, m/step | ±0.07 |
///
/// | action | quantity | range |
/// | --- | --- | --- |
/// | 0 | force, in units of 0.0015 m/step²; beyond the range it is clipped | ±1 |
///
/// The reward is `-0.1 action^2` for each step, plus 100 for the terminal one. An episode starts at rest, uniform in
/// -0.6..-0.4, terminates at a position of 0.45 or more, and is truncated after 999 steps; the task is solved at a mean
/// return of 90.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MountainCarContinuous {
    /// Position and velocity, rounded to single precision except after a reset.
    pub state: [f64; 2],
    /// Least velocity that counts at the goal, m/step; 0 by default. An option of Gymnasium's constructor.
    pub goal_velocity: f64,
}

const POSITION: (f64, f64) = (-1.2, 0.6);
const MAX_SPEED: f64 = 0.07;
const GOAL: f64 = 0.45;
const POWER: f64 = 0.0015;
const GRAVITY: f64 = 0.0025;

impl MountainCarContinuous {
    #[allow(clippy::cast_possible_truncation)] // observations are single precision
    #[inline]
    fn observe(&self, observation: &mut [f32]) {
        observation.copy_from_slice(&self.state.map(|quantity| quantity as f32));
    }

    /// Takes a step with an action in double precision, as Gymnasium does if it gets a `float64`.
    pub fn step_double(&mut self, action: f64, observation: &mut [f32]) -> Step {
        let (fresh, cost) = (self.is_fresh(), action * action * 0.1);
        let pull = self.pull(fresh);
        if action.abs() <= 1.0 {
            return self.drive(action * POWER - pull, |number| number, cost, observation);
        }
        self.coast(action.signum() * POWER - pull, fresh, cost, observation)
    }

    /// True if the state is still the one of a reset, in double precision. The position shows it: a random position has
    /// single precision only once in 2^29 resets, and then the precision makes almost no difference.
    #[inline]
    fn is_fresh(&self) -> bool {
        let [position, _] = self.state;
        single(position) != position
    }

    /// Returns the velocity that gravity takes away in a step.
    #[inline]
    fn pull(&self, fresh: bool) -> f64 {
        let angle = 3.0 * self.state[0];
        GRAVITY * if fresh { angle } else { single(angle) }.cos()
    }

    /// Takes a step in the precision of the state: double in the first step of an episode, single in the others.
    #[inline]
    fn coast(&mut self, push: f64, fresh: bool, cost: f64, observation: &mut [f32]) -> Step {
        if fresh {
            self.drive(push, |number| number, cost, observation)
        } else {
            self.drive(single(push), single, cost, observation)
        }
    }

    /// Takes a step that adds `push` to the velocity and rounds each number with `round`, as NumPy does. The sum of two
    /// single-precision numbers is the same in single precision and rounded from double precision.
    fn drive(&mut self, push: f64, round: impl Fn(f64) -> f64, cost: f64, observation: &mut [f32]) -> Step {
        let [position, velocity] = self.state;
        let velocity = round(velocity + push).clamp(-round(MAX_SPEED), round(MAX_SPEED));
        let position = round(position + velocity).clamp(round(POSITION.0), round(POSITION.1));
        let hits_wall = position <= round(POSITION.0) && velocity < 0.0;
        let velocity = if hits_wall { 0.0 } else { velocity };

        let terminated = position >= round(GOAL) && velocity >= round(self.goal_velocity);
        self.state = [single(position), single(velocity)];
        self.observe(observation);
        let bonus = if terminated { 100.0 } else { 0.0 };
        Step { reward: bonus - cost, terminated, truncated: false }
    }
}

/// Rounds to single precision.
#[allow(clippy::cast_possible_truncation)] // rounding is the purpose
#[inline]
fn single(number: f64) -> f64 {
    f64::from(number as f32)
}

impl Env for MountainCarContinuous {
    type Action = [f32; 1];
    type State = [f64; 2];

    fn spec(&self) -> EnvSpec {
        let spec = EnvSpec::new(
            "MountainCarContinuous-v0",
            Space::Box { low: vec![-1.2, -0.07], high: vec![0.6, 0.07], shape: vec![2] },
            Space::symmetric(&[1.0]),
        );
        EnvSpec { max_episode_steps: Some(999), reward_threshold: Some(90.0), ..spec }
    }

    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        self.state = [rng.uniform(-0.6, -0.4), 0.0];
        self.observe(observation);
    }

    #[inline]
    fn step(&mut self, [action]: [f32; 1], _rng: &mut EnvRng, observation: &mut [f32]) -> Step {
        let (fresh, wide) = (self.is_fresh(), f64::from(action));
        let (pull, cost) = (self.pull(fresh), wide * wide * 0.1);
        // The sum is in single precision only if it contains the action itself, not just its sign.
        let push = match action.abs() <= 1.0 {
            true => single(single(wide * single(POWER)) - single(pull)),
            false => wide.signum() * POWER - pull,
        };
        self.coast(push, fresh, cost, observation)
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
