//! The policy that training starts from.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use burn_pg::{
    Agent, CheckedConfig, Trainer,
    agent::import::PolicyFile,
    burn::tensor::Device,
    config::{Layer, Layers},
    envs,
};
use toml::{Table, Value};

use crate::{commands::agent::Selected, network::Kind};

/// Settings of the networks that only training reads. An exported file does not contain them.
const ONLY_FOR_TRAINING: [(&[&str], &[&str]); 2] = [
    (&["recurrence"], &["sequence_steps", "burn_in"]),
    (&["exploration", "sde"], &["resample_every", "learn_features"]),
];

/// A policy of a run or a file, not yet loaded onto a device.
pub struct Start {
    path: PathBuf,
    policy: Policy,
}

enum Policy {
    Run(Box<Selected>),
    File(PolicyFile),
}

impl Start {
    /// Reads a run directory or a file.
    pub fn open(path: &Path) -> Result<Self> {
        let policy = match path.is_dir() {
            true => Policy::Run(Selected::newest(path)?.into()),
            false => Policy::File(PolicyFile::read(path)?),
        };
        Ok(Self { path: path.into(), policy })
    }

    /// Returns the settings that belong to the policy: its networks, and whether it normalises observations.
    pub fn settings(&self) -> Result<Layer> {
        let (network, is_normalized) = match &self.policy {
            Policy::Run(run) => (Table::try_from(&run.config.network)?, run.config.env.normalize_observations),
            Policy::File(file) => (without_training_settings(Table::try_from(file.network()?)?), file.is_normalized()),
        };
        let env = Table::from_iter([("normalize_observations".to_owned(), is_normalized.into())]);
        let settings = [("network".to_owned(), network.into()), ("env".to_owned(), env.into())];
        let from = format!("--init-from {}", self.path.display());
        Ok(Layer { from, settings: settings.into_iter().collect() })
    }

    /// Refuses settings on the command line that are not read, because the weights of the policy replace them.
    pub fn refuse_unread(&self, layers: &Layers) -> Result<()> {
        let key = "network.exploration.log_std";
        if layers.origin(key) == Some("--set") {
            let from = self.path.display();
            bail!(
                "`{key}` is not read: the standard deviations are those of the policy in {from}; leave it out (--set)"
            );
        }
        Ok(())
    }

    /// Creates a trainer that starts with the policy.
    pub fn trainer<K: Kind>(&self, kind: &K, config: &CheckedConfig, device: &Device) -> Result<Trainer<K::Policy>> {
        let from = self.path.to_string_lossy();
        let agent = self.agent(kind, config, device)?;
        Ok(kind.trainer_from(&agent, &from, config, device)?)
    }

    fn agent<K: Kind>(&self, kind: &K, config: &CheckedConfig, device: &Device) -> Result<Agent<K::Policy>> {
        match &self.policy {
            Policy::Run(run) => {
                let [given, of_run] = [config, &run.config].map(|config| config.network.kind());
                if given != of_run && config.network.custom != run.config.network.custom {
                    bail!("`network.kind` is \"{given}\", but \"{of_run}\" for the policy to start from");
                }
                Ok(kind.load(run.saved(), device)?)
            }
            Policy::File(file) => kind.import(file, &envs::spec(&config.env.name)?, config, device),
        }
    }
}

/// Returns the network settings of a file without those that only training reads, which an exported file does not
/// contain.
fn without_training_settings(mut network: Table) -> Table {
    for (path, keys) in ONLY_FOR_TRAINING {
        let mut table = Some(&mut network);
        for name in path {
            table = table.and_then(|table| table.get_mut(*name)).and_then(Value::as_table_mut);
        }
        if let Some(table) = table {
            table.retain(|key, _| !keys.contains(&key));
        }
    }
    network
}
