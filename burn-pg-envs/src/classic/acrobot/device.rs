//! The dynamics of [`Acrobot`] on a device.

use std::f64::consts::FRAC_PI_2;

use cubecl::prelude::*;

use super::{Acrobot, CENTRE, GRAVITY, INERTIA, LENGTH, MASS, MAX_VELOCITY, TIME_STEP};
use crate::{
    Env, EnvSpec,
    device::{DeviceEnv, DeviceStep, DeviceTask, Random, single, wrapped},
};

#[cube]
impl DeviceEnv for Acrobot {
    fn reset(state: &mut Array<f32>, random: &mut Random) {
        #[unroll]
        for i in 0..4usize {
            state[i] = random.uniform(-0.1, 0.1);
        }
    }

    fn step(state: &mut Array<f32>, action: &Array<f32>, _random: &mut Random) -> DeviceStep {
        let torque = action[0] - 1.0f32;
        // The classic Runge-Kutta method.
        let mut sum = Array::<f32>::new(4usize);
        let mut rate = Array::<f32>::new(4usize);
        #[unroll]
        for stage in 0..4usize {
            let ahead = comptime!([0.0, TIME_STEP / 2.0, TIME_STEP / 2.0, TIME_STEP][stage]);
            let weight = comptime!([1.0, 2.0, 2.0, 1.0][stage] * TIME_STEP / 6.0);
            let mut at = Array::<f32>::new(4usize);
            #[unroll]
            for i in 0..4usize {
                at[i] = state[i] + single(ahead) * rate[i];
            }
            let (first, second) = accelerations(at[0], at[1], at[2], at[3], torque);
            rate[0] = at[2];
            rate[1] = at[3];
            rate[2] = first;
            rate[3] = second;
            #[unroll]
            for i in 0..4usize {
                sum[i] += single(weight) * rate[i];
            }
        }
        state[0] = wrapped(state[0] + sum[0]);
        state[1] = wrapped(state[1] + sum[1]);
        let fastest = single(comptime!(MAX_VELOCITY[0]));
        state[2] = clamp(state[2] + sum[2], -fastest, fastest);
        let fastest = single(comptime!(MAX_VELOCITY[1]));
        state[3] = clamp(state[3] + sum[3], -fastest, fastest);
        let terminated = -state[0].cos() - (state[0] + state[1]).cos() > 1.0f32;
        DeviceStep { reward: select(terminated, 0.0f32, -1.0f32), terminated, truncated: false.runtime() }
    }

    fn observe(state: &Array<f32>, observation: &mut Array<f32>) {
        observation[0] = state[0].cos();
        observation[1] = state[0].sin();
        observation[2] = state[1].cos();
        observation[3] = state[1].sin();
        observation[4] = state[2];
        observation[5] = state[3];
    }
}

/// Returns the accelerations of both angles, by the equations of the book.
#[cube]
fn accelerations(first: f32, second: f32, v1: f32, v2: f32, torque: f32) -> (f32, f32) {
    let (sin, cos) = (second.sin(), second.cos());
    let coupling = single(MASS * LENGTH * CENTRE);
    let d1 = single(MASS * (2.0 * CENTRE * CENTRE + LENGTH * LENGTH) + 2.0 * INERTIA) + 2.0f32 * coupling * cos;
    let d2 = single(MASS * CENTRE * CENTRE + INERTIA) + coupling * cos;
    let phi2 = single(MASS * CENTRE * GRAVITY) * (first + second - single(FRAC_PI_2)).cos();
    let phi1 = -coupling * (v2 * v2) * sin - 2.0f32 * coupling * v2 * v1 * sin
        + single((MASS * CENTRE + MASS * LENGTH) * GRAVITY) * (first - single(FRAC_PI_2)).cos()
        + phi2;
    let turning = torque + d2 / d1 * phi1 - coupling * (v1 * v1) * sin - phi2;
    let of_second = turning / (single(MASS * CENTRE * CENTRE + INERTIA) - d2 * d2 / d1);
    (-(d2 * of_second + phi1) / d1, of_second)
}

impl DeviceTask for Acrobot {
    const STATE: usize = 4;

    fn specification() -> EnvSpec {
        Env::spec(&Self::default())
    }
}
