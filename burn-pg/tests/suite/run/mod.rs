//! Whole training runs through the library.

mod environments;
mod files;
mod metrics_page;
mod overlap;
mod repeat;
mod training;

use std::ops::ControlFlow;

use burn_pg::{Config, Trainer, UpdateStats, device::Backend, policy::ActorCritic};

use crate::helpers::{open, without_time};

fn trainer(config: Config, backend: Backend) -> Trainer<ActorCritic> {
    Trainer::of(&config.validate().unwrap(), &open(backend)).unwrap()
}

/// Returns the statistics of each update until the end of a run, without times.
fn metrics(trainer: &mut Trainer<ActorCritic>) -> Vec<UpdateStats> {
    let mut history = Vec::new();
    let mut observer = |stats: &UpdateStats| {
        history.push(without_time(stats));
        ControlFlow::Continue(())
    };
    trainer.run(&mut observer).unwrap();
    history
}
