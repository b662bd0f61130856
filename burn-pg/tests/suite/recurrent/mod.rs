//! Recurrent policies.

mod layers;
mod state;
mod training;

use burn_pg::{
    advantage::{AdvantageEstimator, Gae},
    source::{Batch, Rollout},
};

use crate::helpers::flex;

fn batch(rollout: &Rollout) -> Batch {
    let mut rollout = rollout.clone();
    rollout.set_targets(&Gae { gamma: 0.9, lambda: 0.8 }.estimate(&rollout.trajectory()));
    Batch::upload(&mut rollout, &flex().autodiff())
}
