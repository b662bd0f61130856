//! `Pendulum-v1`.

#[cfg(feature = "cube")]
mod device;
mod picture;

use std::f64::consts::PI;

use crate::{Env, EnvRng, EnvSpec, Space, Step, render::Scene};

/// A pendulum with a motor that is too weak to lift it at once; the task is to swing it up and hold it there.
///
/// Source: K. Doya, *Reinforcement learning in continuous time and space* (2000), with Gymnasium's reward and
/// constants: gravity 10 m/s², length 1 m, mass 1 kg, steps of 0.05 s.
///
/// | observation | quantity | range |
/// | --- | --- | --- |
/// | 0, 1 | cosine and sine of the angle (0: upright) | ±1 |
/// | 2 | angular velocity, rad/s | ±8 |
///
/// | action | quantity | range |
/// | --- | --- | --- |
/// | 0 | torque, N m; beyond the range it is clipped | ±2 |
///
/// The reward is `-(angle^2 + 0.1 velocity^2 + 0.001 torque^2)`, from the angle within ±pi and the velocity before the
/// step, and the clipped torque. An episode starts with an angle uniform in ±pi and a velocity uniform in ±1, never
/// terminates, and is truncated after 200 steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pendulum {
    /// Angle (never wrapped) and angular velocity, in double precision.
    pub state: [f64; 2],
    /// Acceleration of free fall, m/s²; 10 by default. The option `g` of Gymnasium's constructor.
    pub gravity: f64,
    /// Torque of the last step after clipping, N m; `None` after a reset or a change of state. Only
    /// [`render`](Env::render) uses it: it is not part of the state that is saved.
    pub last_torque: Option<f32>,
}

impl Default for Pendulum {
    fn default() -> Self {
        Self { state: [0.0; 2], gravity: 10.0, last_torque: None }
    }
}

const TIME_STEP: f64 = 0.05;
const MAX_SPEED: f64 = 8.0;
const MAX_TORQUE: f32 = 2.0;

impl Pendulum {
    #[allow(clippy::cast_possible_truncation)] // observations are single precision
    #[inline]
    fn observe(&self, observation: &mut [f32]) {
        let [angle, velocity] = self.state;
        let (sin, cos) = angle.sin_cos();
        observation.copy_from_slice(&[cos, sin, velocity].map(|quantity| quantity as f32));
    }

    /// Takes a step with an action in double precision, as Gymnasium does if it gets a `float64`.
    #[allow(clippy::cast_possible_truncation)] // pictures are single precision
    pub fn step_double(&mut self, torque: f64, observation: &mut [f32]) -> Step {
        let torque = torque.clamp(-f64::from(MAX_TORQUE), f64::from(MAX_TORQUE));
        self.last_torque = Some(torque as f32);
        self.turn(3.0 * torque, 0.001 * (torque * torque), observation)
    }

    /// Takes a step with the acceleration `push` of the motor, in rad/s², and its cost `effort`.
    #[inline]
    fn turn(&mut self, push: f64, effort: f64, observation: &mut [f32]) -> Step {
        let [angle, velocity] = self.state;
        let wrapped = (angle + PI).rem_euclid(2.0 * PI) - PI;
        let cost = wrapped * wrapped + 0.1 * (velocity * velocity) + effort;

        let acceleration = 1.5 * self.gravity * angle.sin() + push;
        let velocity = (velocity + acceleration * TIME_STEP).clamp(-MAX_SPEED, MAX_SPEED);
        self.state = [angle + velocity * TIME_STEP, velocity];
        self.observe(observation);
        Step { reward: -cost, terminated: false, truncated: false }
    }
}

impl Env for Pendulum {
    type Action = [f32; 1];
    type State = [f64; 2];

    fn spec(&self) -> EnvSpec {
        let spec = EnvSpec::new("Pendulum-v1", Space::symmetric(&[1.0, 1.0, 8.0]), Space::symmetric(&[MAX_TORQUE]));
        EnvSpec { max_episode_steps: Some(200), ..spec }
    }

    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        self.state = [rng.uniform(-PI, PI), rng.uniform(-1.0, 1.0)];
        self.last_torque = None;
        self.observe(observation);
    }

    #[inline]
    fn step(&mut self, [torque]: [f32; 1], _rng: &mut EnvRng, observation: &mut [f32]) -> Step {
        let torque = torque.clamp(-MAX_TORQUE, MAX_TORQUE);
        self.last_torque = Some(torque);
        // Terms of the action alone have single precision in Gymnasium, like the action.
        self.turn(f64::from(3.0 * torque), f64::from(0.001 * (torque * torque)), observation)
    }

    fn state(&self) -> [f64; 2] {
        self.state
    }

    fn set_state(&mut self, state: [f64; 2]) {
        self.state = state;
        self.last_torque = None;
    }

    fn render(&self) -> Option<Scene> {
        Some(picture::of(self.state[0], self.last_torque))
    }
}
