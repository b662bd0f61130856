//! Recurrent policies.

mod layers;
mod state;
mod training;

use burn::tensor::Device;
use burn_pg::{
    advantage::{AdvantageEstimator, Gae},
    device::{self, Backend, DeviceChoice},
    source::{Batch, Rollout},
};

fn device() -> Device {
    device::open(DeviceChoice::Backend(Backend::Flex)).unwrap().device
}

fn batch(rollout: &Rollout) -> Batch {
    let mut rollout = rollout.clone();
    rollout.set_targets(&Gae { gamma: 0.9, lambda: 0.8 }.estimate(&rollout.trajectory()));
    Batch::upload(&mut rollout, &device().autodiff())
}
