//! Checkpoints, and runs that resume from them.

mod files;
mod folder;
mod runs;

use std::path::{Path, PathBuf};

use burn_pg::{CheckedConfig, Trainer, device::Backend, policy::ActorCritic};

use crate::helpers::open;
use crate::settings::valid;

/// Six updates of four environments.
const COMMON: &str = "total_steps = 192\nnum_envs = 4\nhidden_sizes = [6]\n";

/// Settings for algorithms that take several steps per rollout.
const PASSES: &str = "num_minibatches = 2\nnum_epochs = 2\n";

fn config(settings: &str) -> CheckedConfig {
    let mut table: toml::Table = COMMON.parse().unwrap();
    if !settings.contains("'reinforce'") {
        table.insert("num_steps".into(), 8.into());
    }
    if !settings.contains("'a2c'") && !settings.contains("'reinforce'") {
        table.extend(PASSES.parse::<toml::Table>().unwrap());
    }
    table.extend(settings.parse::<toml::Table>().unwrap());
    valid(&table.to_string())
}

fn trainer(config: &CheckedConfig, backend: Backend) -> Trainer<ActorCritic> {
    Trainer::of(config, &open(backend)).unwrap()
}

/// Writes a checkpoint of a run that is as small as possible.
fn smallest(folder: &Path) -> PathBuf {
    let config = config("num_envs = 1\nnum_steps = 2\nnum_minibatches = 1\nhidden_sizes = []\ntotal_steps = 32");
    let mut trainer = trainer(&config, Backend::Flex);
    trainer.update().unwrap();
    let path = folder.join("smallest");
    trainer.checkpoint().unwrap().write(&path).unwrap();
    path
}
