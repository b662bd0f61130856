//! Whole training runs through the library.

mod environments;
mod files;
mod metrics_page;
mod repeat;
mod training;

use std::{collections::BTreeMap, ops::ControlFlow};

use burn_pg::{
    Config, DeviceChoice, Trainer, UpdateStats,
    config::PpoConfig,
    device::{self, Backend},
    policy::ActorCritic,
};

use crate::precision::values;

fn small() -> Config {
    Config::default().with(|config| {
        config.run.total_steps = 64;
        config.env.num_envs = 2;
        config.rollout.num_steps = 16;
        config.network.hidden_sizes = vec![8];
        config.algorithm = PpoConfig { num_epochs: 2, num_minibatches: 2, ..PpoConfig::default() }.into();
    })
}

fn trainer(config: Config, backend: Backend) -> Trainer<ActorCritic> {
    let device = device::open(DeviceChoice::Backend(backend)).unwrap().device;
    Trainer::of(&config.validate().unwrap(), &device).unwrap()
}

/// Everything a run reports, but the time.
fn metrics(trainer: &mut Trainer<ActorCritic>) -> Vec<String> {
    let mut lines = Vec::new();
    trainer
        .run(&mut |stats: &UpdateStats| {
            let mut line: BTreeMap<String, serde_json::Value> =
                serde_json::from_value(serde_json::to_value(stats).unwrap()).unwrap();
            for field in UpdateStats::TIME_FIELDS {
                line.remove(field).unwrap();
            }
            lines.push(serde_json::to_string(&line).unwrap());
            ControlFlow::Continue(())
        })
        .unwrap();
    lines
}

#[derive(Debug, PartialEq)]
struct MlpWeights(Vec<f64>);

impl MlpWeights {
    fn of(policy: &ActorCritic) -> Self {
        Self(values(burn_pg::optim::flatten_parameters(policy)))
    }
}
