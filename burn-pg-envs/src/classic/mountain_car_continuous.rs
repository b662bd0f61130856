//! `MountainCarContinuous-v0`.

use crate::{Env, EnvRng, EnvSpec, Space, Step};

/// An underpowered car in a valley with a continuous throttle; the task is to swing it up the right hill with little
/// effort.
///
/// Source: A. Moore, *Efficient memory-based learning for robot control* (1990), as Gymnasium has it, its oddities
/// included: the force is clipped, but the cost is that of the action as it was given; and the state is in double
/// precision at the start of an episode and in single precision from the first step on.
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
/// Each step is rewarded with `-0.1 action^2`, and the terminal one with 100 more. An episode starts at rest, uniform in
/// -0.6..-0.4, terminates at a position of 0.45 or more, and is truncated after 999 steps; the task is solved at a mean
/// return of 90.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MountainCarContinuous {
    /// Position and velocity: numbers of single precision, but for those of a reset.
    pub state: [f64; 2],
}

const POSITION: (f32, f32) = (-1.2, 0.6);
const MAX_SPEED: f32 = 0.07;
const GOAL: f32 = 0.45;
const POWER: f64 = 0.0015;
const GRAVITY: f64 = 0.0025;

impl MountainCarContinuous {
    #[allow(clippy::cast_possible_truncation)] // observations are single precision
    fn observe(&self, observation: &mut [f32]) {
        observation.copy_from_slice(&self.state.map(|quantity| quantity as f32));
    }

    /// Is the state still that of a reset? Then it is in double precision, as the position tells: a random one is a number of
    /// single precision once in 2^29 times, and then the precision makes next to no difference.
    fn is_fresh(&self) -> bool {
        let [position, _] = self.state;
        #[allow(clippy::cast_possible_truncation)] // what is asked
        let single = f64::from(position as f32);
        single != position
    }

    /// Position and velocity after a step. NumPy computes in the precision of the arrays, so the first step of an episode
    /// is in double precision, and rounded after it.
    #[allow(clippy::cast_possible_truncation)] // that rounding
    fn advance(&self, action: f32) -> [f32; 2] {
        let [position, velocity] = self.state;
        let pull = |angle: f64| GRAVITY * angle.cos();
        if self.is_fresh() {
            let velocity = velocity + push(action, pull(3.0 * position));
            let velocity = velocity.clamp(-f64::from(MAX_SPEED), f64::from(MAX_SPEED));
            return [(position + velocity) as f32, velocity as f32];
        }
        let (position, velocity) = (position as f32, velocity as f32);
        let velocity = velocity + push(action, pull(f64::from(3.0 * position))) as f32;
        let velocity = velocity.clamp(-MAX_SPEED, MAX_SPEED);
        [position + velocity, velocity]
    }
}

/// What the motor and gravity add to the velocity: in single precision where the action's own value takes part.
#[allow(clippy::cast_possible_truncation)] // that precision
fn push(action: f32, pull: f64) -> f64 {
    if action.abs() <= 1.0 {
        f64::from(action * POWER as f32 - pull as f32)
    } else {
        f64::from(action.signum()) * POWER - pull
    }
}

impl Env for MountainCarContinuous {
    type Action = [f32; 1];
    type State = [f64; 2];

    fn spec() -> EnvSpec {
        EnvSpec {
            id: "MountainCarContinuous-v0".into(),
            observation_space: Space::Box { low: vec![-1.2, -0.07], high: vec![0.6, 0.07], shape: vec![2] },
            action_space: Space::symmetric(&[1.0]),
            max_episode_steps: Some(999),
            reward_threshold: Some(90.0),
        }
    }

    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        self.state = [rng.uniform(-0.6, -0.4), 0.0];
        self.observe(observation);
    }

    fn step(&mut self, [action]: [f32; 1], _rng: &mut EnvRng, observation: &mut [f32]) -> Step {
        let [position, velocity] = self.advance(action);
        let position = position.clamp(POSITION.0, POSITION.1);
        let hits_wall = position <= POSITION.0 && velocity < 0.0;
        let velocity = if hits_wall { 0.0 } else { velocity };

        self.state = [f64::from(position), f64::from(velocity)];
        self.observe(observation);
        let terminated = position >= GOAL && velocity >= 0.0;
        let bonus = if terminated { 100.0 } else { 0.0 };
        let action = f64::from(action);
        Step { reward: bonus - action * action * 0.1, terminated, truncated: false }
    }

    fn state(&self) -> [f64; 2] {
        self.state
    }

    fn set_state(&mut self, state: [f64; 2]) {
        self.state = state;
    }
}
