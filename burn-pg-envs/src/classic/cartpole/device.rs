//! The dynamics of [`CartPole`] on a device.

use cubecl::prelude::*;

use super::{
    ANGLE_LIMIT, CartPole, FORCE, GRAVITY, HALF_LENGTH, POLE_MASS, POLE_MASS_LENGTH, POSITION_LIMIT, TIME_STEP,
    TOTAL_MASS,
};
use crate::{
    Env, EnvSpec,
    device::{DeviceEnv, DeviceStep, DeviceTask, Random, single},
};

#[cube]
impl DeviceEnv for CartPole {
    fn reset(state: &mut Array<f32>, random: &mut Random) {
        #[unroll]
        for i in 0..4usize {
            state[i] = random.uniform(-0.05, 0.05);
        }
    }

    fn step(state: &mut Array<f32>, action: &Array<f32>, _random: &mut Random) -> DeviceStep {
        let (x, x_dot, theta, theta_dot) = (state[0], state[1], state[2], state[3]);
        let force = select(action[0] == 1.0, single(FORCE), single(-FORCE));
        let (sin, cos) = (theta.sin(), theta.cos());
        let pushed = (force + single(POLE_MASS_LENGTH) * (theta_dot * theta_dot) * sin) * single(1.0 / TOTAL_MASS);
        let theta_acc = (single(GRAVITY) * sin - cos * pushed)
            / (single(HALF_LENGTH * 4.0 / 3.0) - single(HALF_LENGTH * POLE_MASS / TOTAL_MASS) * (cos * cos));
        let x_acc = pushed - single(POLE_MASS_LENGTH / TOTAL_MASS) * theta_acc * cos;
        state[0] = x + single(TIME_STEP) * x_dot;
        state[1] = x_dot + single(TIME_STEP) * x_acc;
        state[2] = theta + single(TIME_STEP) * theta_dot;
        state[3] = theta_dot + single(TIME_STEP) * theta_acc;
        let terminated = state[0].abs() > single(POSITION_LIMIT) || state[2].abs() > single(ANGLE_LIMIT);
        DeviceStep { reward: 1.0f32.runtime(), terminated, truncated: false.runtime() }
    }

    fn observe(state: &Array<f32>, observation: &mut Array<f32>) {
        #[unroll]
        for i in 0..4usize {
            observation[i] = state[i];
        }
    }
}

impl DeviceTask for CartPole {
    const STATE: usize = 4;

    fn specification() -> EnvSpec {
        Env::spec(&Self::default())
    }
}
