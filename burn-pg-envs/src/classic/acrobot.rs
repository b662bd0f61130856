//! `Acrobot-v1`.

#[cfg(feature = "cube")]
mod device;
mod picture;

use std::f64::consts::{FRAC_PI_2, PI};

use crate::{Env, EnvRng, EnvSpec, Space, Step, render::Scene};

/// Two links that hang from a fixed point, with a motor at the joint between them; the task is to swing the free end
/// above a line.
///
/// Source: R. Sutton, *Generalization in reinforcement learning: successful examples using sparse coarse coding*
/// (1996), with the dynamics of R. Sutton and A. Barto's book, as Gymnasium has them: fourth-order Runge-Kutta, steps
/// of 0.2 s.
///
/// | observation | quantity | range |
/// | --- | --- | --- |
/// | 0, 1 | cosine and sine of the first angle (0: hanging down) | ±1 |
/// | 2, 3 | cosine and sine of the second angle, relative to the first link | ±1 |
/// | 4 | angular velocity of the first link, rad/s | ±4 pi |
/// | 5 | angular velocity of the second link, rad/s | ±9 pi |
///
/// | action | torque at the joint, N m |
/// | --- | --- |
/// | 0, 1, 2 | -1, 0, 1 |
///
/// The reward is -1 for each step, and 0 for the terminal one. An episode starts with angles and velocities uniform in
/// ±0.1, terminates when `-cos(a1) - cos(a1 + a2) > 1`, and is truncated after 500 steps; the task is solved at a mean
/// return of -100.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Acrobot {
    /// Both angles and both angular velocities, in double precision.
    pub state: [f64; 4],
    /// The equations of motion; an option of Gymnasium's class.
    pub dynamics: Dynamics,
}

/// The equations of motion of [`Acrobot`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dynamics {
    /// The equations of Sutton and Barto's book.
    #[default]
    Book,
    /// The equations of Sutton's paper (1996), which lack a term in the velocity of the first link.
    Nips,
}

const MAX_VELOCITY: [f64; 2] = [4.0 * PI, 9.0 * PI];
const TIME_STEP: f64 = 0.2;
const GRAVITY: f64 = 9.8;
const MASS: f64 = 1.0;
const LENGTH: f64 = 1.0;
const CENTRE: f64 = 0.5;
const INERTIA: f64 = 1.0;

impl Acrobot {
    #[allow(clippy::cast_possible_truncation)] // observations are single precision
    #[inline]
    fn observe(&self, observation: &mut [f32]) {
        let [first, second, first_velocity, second_velocity] = self.state;
        let (sin_first, cos_first) = first.sin_cos();
        let (sin_second, cos_second) = second.sin_cos();
        let quantities = [cos_first, sin_first, cos_second, sin_second, first_velocity, second_velocity];
        observation.copy_from_slice(&quantities.map(|quantity| quantity as f32));
    }

    #[inline]
    fn is_up(&self) -> bool {
        let [first, second, ..] = self.state;
        -first.cos() - (first + second).cos() > 1.0
    }
}

impl Env for Acrobot {
    type Action = u32;
    type State = [f64; 4];

    fn spec(&self) -> EnvSpec {
        #[allow(clippy::cast_possible_truncation)]
        let [first, second] = MAX_VELOCITY.map(|velocity| velocity as f32);
        let spec =
            EnvSpec::new("Acrobot-v1", Space::symmetric(&[1.0, 1.0, 1.0, 1.0, first, second]), Space::discrete(3));
        EnvSpec { max_episode_steps: Some(500), reward_threshold: Some(-100.0), ..spec }
    }

    #[allow(clippy::cast_possible_truncation)] // Gymnasium rounds the first state to single precision
    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        self.state = std::array::from_fn(|_| f64::from(rng.uniform(-0.1, 0.1) as f32));
        self.observe(observation);
    }

    #[inline]
    fn step(&mut self, action: u32, _rng: &mut EnvRng, observation: &mut [f32]) -> Step {
        let [first, second, first_velocity, second_velocity] =
            integrate(self.state, f64::from(action) - 1.0, self.dynamics);
        self.state = [
            wrap(first),
            wrap(second),
            first_velocity.clamp(-MAX_VELOCITY[0], MAX_VELOCITY[0]),
            second_velocity.clamp(-MAX_VELOCITY[1], MAX_VELOCITY[1]),
        ];
        self.observe(observation);
        let terminated = self.is_up();
        Step { reward: if terminated { 0.0 } else { -1.0 }, terminated, truncated: false }
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

/// Wraps an angle to ±pi. Angles of 1e6 and more, which only a state set by hand can have, are reduced to ±2 pi
/// instead, without a loop.
fn wrap(mut angle: f64) -> f64 {
    if angle.abs() >= 1e6 {
        return angle % (2.0 * PI);
    }
    while angle > PI {
        angle -= 2.0 * PI;
    }
    while angle < -PI {
        angle += 2.0 * PI;
    }
    angle
}

/// Takes one step of the classic Runge-Kutta method.
fn integrate(state: [f64; 4], torque: f64, dynamics: Dynamics) -> [f64; 4] {
    let ahead = |derivative: [f64; 4], time: f64| std::array::from_fn(|i| state[i] + time * derivative[i]);
    let derivative = |state| derivative(state, torque, dynamics);
    let k1 = derivative(state);
    let k2 = derivative(ahead(k1, TIME_STEP / 2.0));
    let k3 = derivative(ahead(k2, TIME_STEP / 2.0));
    let k4 = derivative(ahead(k3, TIME_STEP));
    std::array::from_fn(|i| state[i] + TIME_STEP / 6.0 * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]))
}

/// Returns the time derivative of the state. The terms are written as in Gymnasium, because at rest the cosine of a
/// rounded right angle is not 0.
fn derivative([first, second, v1, v2]: [f64; 4], torque: f64, dynamics: Dynamics) -> [f64; 4] {
    let (sin_second, cos_second) = second.sin_cos();

    let d1 = MASS * CENTRE * CENTRE
        + MASS * (LENGTH * LENGTH + CENTRE * CENTRE + 2.0 * LENGTH * CENTRE * cos_second)
        + INERTIA
        + INERTIA;
    let d2 = MASS * (CENTRE * CENTRE + LENGTH * CENTRE * cos_second) + INERTIA;
    let phi2 = MASS * CENTRE * GRAVITY * (first + second - FRAC_PI_2).cos();
    let phi1 = -MASS * LENGTH * CENTRE * (v2 * v2) * sin_second - 2.0 * MASS * LENGTH * CENTRE * v2 * v1 * sin_second
        + (MASS * CENTRE + MASS * LENGTH) * GRAVITY * (first - FRAC_PI_2).cos()
        + phi2;
    let turning = torque + d2 / d1 * phi1;
    let turning = match dynamics {
        Dynamics::Book => turning - MASS * LENGTH * CENTRE * (v1 * v1) * sin_second - phi2,
        Dynamics::Nips => turning - phi2,
    };
    let second_acceleration = turning / (MASS * CENTRE * CENTRE + INERTIA - d2 * d2 / d1);
    let first_acceleration = -(d2 * second_acceleration + phi1) / d1;
    [v1, v2, first_acceleration, second_acceleration]
}
