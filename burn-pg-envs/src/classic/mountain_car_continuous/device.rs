//! The dynamics of [`MountainCarContinuous`] on a device.

use cubecl::prelude::*;

use super::{GOAL, GRAVITY, MAX_SPEED, MountainCarContinuous, POSITION, POWER};
use crate::{
    Env, EnvSpec,
    device::{DeviceEnv, DeviceStep, DeviceTask, Random, single},
};

#[cube]
impl DeviceEnv for MountainCarContinuous {
    fn reset(state: &mut Array<f32>, random: &mut Random) {
        state[0] = random.uniform(-0.6, -0.4);
        state[1] = 0.0f32;
    }

    fn step(state: &mut Array<f32>, action: &Array<f32>, _random: &mut Random) -> DeviceStep {
        let push = clamp(action[0], -1.0f32, 1.0f32) * single(POWER) - (state[0] * 3.0f32).cos() * single(GRAVITY);
        let velocity = clamp(state[1] + push, single(-MAX_SPEED), single(MAX_SPEED));
        let position = clamp(state[0] + velocity, single(POSITION.0), single(POSITION.1));
        let hits_wall = position <= single(POSITION.0) && velocity < 0.0f32;
        state[0] = position;
        state[1] = select(hits_wall, 0.0f32, velocity);
        let terminated = position >= single(GOAL) && state[1] >= 0.0f32;
        let bonus = select(terminated, 100.0f32, 0.0f32);
        DeviceStep { reward: bonus - action[0] * action[0] * 0.1f32, terminated, truncated: false.runtime() }
    }

    fn observe(state: &Array<f32>, observation: &mut Array<f32>) {
        observation[0] = state[0];
        observation[1] = state[1];
    }
}

impl DeviceTask for MountainCarContinuous {
    const STATE: usize = 2;

    fn specification() -> EnvSpec {
        Env::spec(&Self::default())
    }
}
