//! The dynamics of [`Pendulum`] on a device.

use std::f64::consts::PI;

use cubecl::prelude::*;

use super::{MAX_SPEED, MAX_TORQUE, Pendulum, TIME_STEP};
use crate::{
    Env, EnvSpec,
    device::{DeviceEnv, DeviceStep, DeviceTask, Random, single, wrapped},
};

/// The acceleration of free fall of the default task, times 3 / 2.
const FALL: f64 = 15.0;

// The state is the angle within ±pi, because devices compute sine and cosine of large angles less precisely; and the angular
// velocity.
#[cube]
impl DeviceEnv for Pendulum {
    fn reset(state: &mut Array<f32>, random: &mut Random) {
        state[0] = random.uniform(single(-PI), single(PI));
        state[1] = random.uniform(-1.0, 1.0);
    }

    fn step(state: &mut Array<f32>, action: &Array<f32>, _random: &mut Random) -> DeviceStep {
        let torque = clamp(action[0], -MAX_TORQUE, MAX_TORQUE);
        let (angle, before) = (state[0], state[1]);
        let cost = angle * angle + 0.1f32 * (before * before) + 0.001f32 * (torque * torque);
        let acceleration = single(FALL) * angle.sin() + 3.0f32 * torque;
        let velocity = clamp(before + acceleration * single(TIME_STEP), single(-MAX_SPEED), single(MAX_SPEED));
        state[0] = wrapped(angle + velocity * single(TIME_STEP));
        state[1] = velocity;
        DeviceStep { reward: -cost, terminated: false.runtime(), truncated: false.runtime() }
    }

    fn observe(state: &Array<f32>, observation: &mut Array<f32>) {
        observation[0] = state[0].cos();
        observation[1] = state[0].sin();
        observation[2] = state[1];
    }
}

impl DeviceTask for Pendulum {
    const STATE: usize = 2;

    fn specification() -> EnvSpec {
        Env::spec(&Self::default())
    }
}
