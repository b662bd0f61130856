//! `CartPole-v1`.

#[cfg(feature = "cube")]
mod device;
mod picture;

use crate::{Env, EnvRng, EnvSpec, Space, Step, render::Scene};

/// A pole on a cart that is pushed left or right; the task is to keep the pole upright.
///
/// Source: A. Barto, R. Sutton, C. Anderson, *Neuronlike adaptive elements that can solve difficult learning control
/// problems* (1983), with Gymnasium's constants and explicit Euler steps of 0.02 s.
///
/// | observation | quantity | the episode ends beyond |
/// | --- | --- | --- |
/// | 0 | cart position, m | ±2.4 |
/// | 1 | cart velocity, m/s | |
/// | 2 | pole angle, rad | ±12° (0.2095 rad) |
/// | 3 | pole angular velocity, rad/s | |
///
/// | action | meaning |
/// | --- | --- |
/// | 0 | push left with 10 N |
/// | 1 | push right with 10 N |
///
/// The reward is 1 for each step, including the one that drops the pole. An episode starts with all four quantities
/// uniform in ±0.05 and is truncated after 500 steps; the task is solved at a mean return of 475.
///
/// The options are those of Gymnasium's constructor:
///
/// ```
/// use burn_pg_envs::{VecEnv, classic::CartPole};
///
/// let envs = VecEnv::from_envs(vec![CartPole { sutton_barto_reward: true, ..Default::default() }; 8])?;
/// # Ok::<(), burn_pg_envs::EnvError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CartPole {
    /// Position, velocity, angle, angular velocity; in double precision, as in Gymnasium.
    pub state: [f64; 4],
    /// The reward is 0 for each step, and -1 for the one that drops the pole, as in the book.
    pub sutton_barto_reward: bool,
    /// How the equations of motion are integrated.
    pub integrator: Integrator,
}

/// How [`CartPole`] integrates its equations of motion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Integrator {
    /// Positions advance with the velocities from before the step.
    #[default]
    Euler,
    /// Positions advance with the velocities from after the step.
    SemiImplicitEuler,
}

const GRAVITY: f64 = 9.8;
const POLE_MASS: f64 = 0.1;
const TOTAL_MASS: f64 = 1.0 + POLE_MASS;
const HALF_LENGTH: f64 = 0.5;
const POLE_MASS_LENGTH: f64 = POLE_MASS * HALF_LENGTH;
const FORCE: f64 = 10.0;
const TIME_STEP: f64 = 0.02;
const ANGLE_LIMIT: f64 = 12.0 * 2.0 * std::f64::consts::PI / 360.0;
const POSITION_LIMIT: f64 = 2.4;

impl CartPole {
    #[allow(clippy::cast_possible_truncation)] // observations are single precision
    #[inline]
    fn observe(&self, observation: &mut [f32]) {
        for (out, quantity) in observation.iter_mut().zip(self.state) {
            *out = quantity as f32;
        }
    }

    #[inline]
    fn is_over(&self) -> bool {
        let [x, _, theta, _] = self.state;
        !(-POSITION_LIMIT..=POSITION_LIMIT).contains(&x) || !(-ANGLE_LIMIT..=ANGLE_LIMIT).contains(&theta)
    }
}

impl Env for CartPole {
    type Action = u32;
    type State = [f64; 4];

    fn spec(&self) -> EnvSpec {
        #[allow(clippy::cast_possible_truncation)]
        let high = [(2.0 * POSITION_LIMIT) as f32, f32::INFINITY, (2.0 * ANGLE_LIMIT) as f32, f32::INFINITY];
        let spec = EnvSpec::new("CartPole-v1", Space::symmetric(&high), Space::discrete(2));
        EnvSpec { max_episode_steps: Some(500), reward_threshold: Some(475.0), ..spec }
    }

    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        self.state = std::array::from_fn(|_| rng.uniform(-0.05, 0.05));
        self.observe(observation);
    }

    #[inline]
    fn step(&mut self, action: u32, _rng: &mut EnvRng, observation: &mut [f32]) -> Step {
        let [x, x_dot, theta, theta_dot] = self.state;
        let force = if action == 1 { FORCE } else { -FORCE };
        let (sin, cos) = theta.sin_cos();

        // Equations 21 and 22 of R. Florian, *Correct equations for the dynamics of the cart-pole system* (2007),
        // without friction.
        let pushed = (force + POLE_MASS_LENGTH * (theta_dot * theta_dot) * sin) / TOTAL_MASS;
        let theta_acc =
            (GRAVITY * sin - cos * pushed) / (HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * (cos * cos) / TOTAL_MASS));
        let x_acc = pushed - POLE_MASS_LENGTH * theta_acc * cos / TOTAL_MASS;

        let before = self.state;
        self.state = [
            x + TIME_STEP * x_dot,
            x_dot + TIME_STEP * x_acc,
            theta + TIME_STEP * theta_dot,
            theta_dot + TIME_STEP * theta_acc,
        ];
        if self.integrator == Integrator::SemiImplicitEuler {
            self.state = semi_implicit(before, [x_acc, theta_acc]);
        }
        self.observe(observation);
        let terminated = self.is_over();
        let reward = if self.sutton_barto_reward { -f64::from(u8::from(terminated)) } else { 1.0 };
        Step { reward, terminated, truncated: false }
    }

    fn state(&self) -> [f64; 4] {
        self.state
    }

    fn set_state(&mut self, state: [f64; 4]) {
        self.state = state;
    }

    fn render(&self) -> Option<Scene> {
        Some(picture::of(self.state))
    }
}

/// Takes a step in which positions advance with the new velocities. Not inlined: a selection between two sums would
/// make the common case wait for the accelerations.
#[cold]
fn semi_implicit([x, x_dot, theta, theta_dot]: [f64; 4], [x_acc, theta_acc]: [f64; 2]) -> [f64; 4] {
    let (x_dot, theta_dot) = (x_dot + TIME_STEP * x_acc, theta_dot + TIME_STEP * theta_acc);
    [x + TIME_STEP * x_dot, x_dot, theta + TIME_STEP * theta_dot, theta_dot]
}
