//! Environments that run on a GPU.
//!
//! A [`DeviceEnv`] is the dynamics of one environment as functions that are compiled for the device, in single
//! precision. Kernels of `burn-pg` call them for many environments at once, one thread an environment.

// `#[cube]` adds functions without documentation, and takes no attributes of functions.
#![allow(missing_docs, clippy::must_use_candidate)]

mod random;

use std::f64::consts::PI;

use cubecl::prelude::*;

pub use cubecl;
pub use random::{Random, philox};

use crate::EnvSpec;

/// One environment on a device: its dynamics as functions for [CubeCL](cubecl), in single precision. Time limits, resets,
/// statistics and final observations are the caller's, as for [`Env`](crate::Env).
///
/// The functions are compiled for the device, so they are written in the part of Rust that CubeCL knows: arithmetic,
/// `if`, loops, and indices that are constants.
#[cube]
pub trait DeviceEnv: Send + Sync + 'static {
    /// Writes the state in which an episode begins.
    fn reset(state: &mut Array<f32>, random: &mut Random);

    /// Takes an action in a state, which becomes the next one. `action` has one element: the index of a discrete action;
    /// or one for each component, within the bounds of the action space.
    fn step(state: &mut Array<f32>, action: &Array<f32>, random: &mut Random) -> DeviceStep;

    /// Writes the observation of a state.
    fn observe(state: &Array<f32>, observation: &mut Array<f32>);
}

/// The result of one step, besides the state.
#[derive(CubeType, Clone, Copy)]
pub struct DeviceStep {
    /// The reward of the step.
    pub reward: f32,
    /// True if the episode has ended in a terminal state: no reward follows.
    pub terminated: bool,
    /// True if the environment has cut the episode off for a reason outside the task. Not needed for the time limit of
    /// [`EnvSpec::max_episode_steps`].
    pub truncated: bool,
}

/// A constant in double precision, rounded to single precision.
#[cube]
#[allow(clippy::cast_possible_truncation)]
pub fn single(#[comptime] value: f64) -> f32 {
    f32::new(comptime!(value as f32))
}

/// Wraps an angle that is at most one turn beyond ±pi.
#[cube]
pub(crate) fn wrapped(angle: f32) -> f32 {
    let turn = single(2.0 * PI);
    select(angle > single(PI), angle - turn, select(angle < single(-PI), angle + turn, angle))
}

/// What is known of a [`DeviceEnv`] on the host.
pub trait DeviceTask: DeviceEnv {
    /// Number of elements of the state.
    const STATE: usize;

    /// Returns the specification. It must never change.
    fn specification() -> EnvSpec;
}
