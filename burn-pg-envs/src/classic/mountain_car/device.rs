//! The dynamics of [`MountainCar`] on a device.

use cubecl::prelude::*;

use super::{FORCE, GOAL, GRAVITY, MAX_SPEED, MountainCar, POSITION};
use crate::{
    Env, EnvSpec,
    device::{DeviceEnv, DeviceStep, DeviceTask, Random, single},
};

#[cube]
impl DeviceEnv for MountainCar {
    fn reset(state: &mut Array<f32>, random: &mut Random) {
        state[0] = random.uniform(-0.6, -0.4);
        state[1] = 0.0f32;
    }

    fn step(state: &mut Array<f32>, action: &Array<f32>, _random: &mut Random) -> DeviceStep {
        let push = (action[0] - 1.0f32) * single(FORCE) - (state[0] * 3.0f32).cos() * single(GRAVITY);
        let velocity = clamp(state[1] + push, single(-MAX_SPEED), single(MAX_SPEED));
        let position = clamp(state[0] + velocity, single(POSITION.0), single(POSITION.1));
        let hits_wall = position <= single(POSITION.0) && velocity < 0.0f32;
        state[0] = position;
        state[1] = select(hits_wall, 0.0f32, velocity);
        let terminated = position >= single(GOAL) && state[1] >= 0.0f32;
        DeviceStep { reward: f32::new(-1.0), terminated, truncated: false.runtime() }
    }

    fn observe(state: &Array<f32>, observation: &mut Array<f32>) {
        observation[0] = state[0];
        observation[1] = state[1];
    }
}

impl DeviceTask for MountainCar {
    const STATE: usize = 2;

    fn specification() -> EnvSpec {
        Env::spec(&Self::default())
    }
}
