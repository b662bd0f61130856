//! The five tasks on a GPU take the steps that they take on the host.

use burn_pg::{
    envs::{
        Env,
        classic::{Acrobot, CartPole, MountainCar, MountainCarContinuous, Pendulum},
        device::DeviceTask,
    },
    source::{DeviceCheckError, check_device_env},
};

use super::gpus;

fn check<E: DeviceTask + Env>(on_host: impl Fn(&[f32]) -> E, tolerance: f64) {
    for gpu in gpus() {
        check_device_env(&on_host, tolerance, &gpu).unwrap_or_else(|error| panic!("{error}"));
    }
}

fn double<const N: usize>(state: &[f32]) -> [f64; N] {
    std::array::from_fn(|i| f64::from(state[i]))
}

#[test]
fn cartpole_takes_the_same_steps_on_a_gpu() {
    check(|state| CartPole { state: double(state), ..CartPole::default() }, 1e-6);
}

#[test]
fn acrobot_takes_the_same_steps_on_a_gpu() {
    // Four evaluations of the equations in single precision.
    check(|state| Acrobot { state: double(state), ..Acrobot::default() }, 2e-5);
}

#[test]
fn mountain_car_takes_the_same_steps_on_a_gpu() {
    check(|state| MountainCar { state: double(state), ..MountainCar::default() }, 1e-6);
}

#[test]
fn continuous_mountain_car_takes_the_same_steps_on_a_gpu() {
    check(|state| MountainCarContinuous { state: double(state), ..MountainCarContinuous::default() }, 1e-6);
}

#[test]
fn pendulum_takes_the_same_steps_on_a_gpu() {
    check(|state| Pendulum { state: double(state), ..Pendulum::default() }, 1e-5);
}

#[test]
fn a_difference_is_reported_with_its_state_and_action() {
    let heavier = |state: &[f32]| Pendulum { state: double(state), gravity: 11.0, ..Pendulum::default() };
    for gpu in gpus() {
        let Err(DeviceCheckError::Differs(difference)) = check_device_env(heavier, 1e-3, &gpu) else {
            panic!("another gravity is not noticed")
        };
        assert_eq!((difference.step, difference.state.len(), difference.action.len()), (0, 2, 1));
    }
}
