//! The policy that training starts from.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use burn_pg::{
    Agent, CheckedConfig, Config, Trainer,
    agent::import::PolicyFile,
    burn::tensor::Device,
    config::{Layer, Layers},
};
use toml::{Table, Value};

use crate::{commands::agent::Selected, network::Kind};

/// The path of a table, and keys in it.
type Keys<'a> = (&'a [&'a str], &'a [&'a str]);

/// Settings of the networks that only training reads. An exported file does not contain them.
const ONLY_FOR_TRAINING: [Keys; 2] = [
    (&["recurrence"], &["sequence_steps", "burn_in"]),
    (&["exploration", "sde"], &["resample_every", "learn_features"]),
];

const LOG_STD: &str = "network.exploration.log_std";

/// A policy of a run or a file, before it is on a device.
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
        let is_normalized = match &self.policy {
            Policy::Run(run) => run.config.env.normalize_observations,
            Policy::File(file) => file.is_normalized(),
        };
        let env = Table::from_iter([("normalize_observations".to_owned(), is_normalized.into())]);
        let settings = [("network".to_owned(), self.network()?.into()), ("env".to_owned(), env.into())];
        let from = format!("--init-from {}", self.path.display());
        Ok(Layer { from, settings: settings.into_iter().collect() })
    }

    /// Returns the settings of the networks.
    fn network(&self) -> Result<Table> {
        Ok(match &self.policy {
            Policy::Run(run) => Table::try_from(&run.config.network)?,
            Policy::File(file) => without(Table::try_from(file.network()?)?, &ONLY_FOR_TRAINING),
        })
    }

    /// Returns the environment of a run.
    pub fn env(&self) -> Option<&str> {
        match &self.policy {
            Policy::Run(run) => Some(&run.config.env.name),
            Policy::File(_) => None,
        }
    }

    /// Refuses settings on the command line that are not read, because the policy has its weights.
    pub fn refuse_unread(&self, layers: &Layers) -> Result<()> {
        if layers.origin(LOG_STD) == Some("--set") {
            let from = self.path.display();
            bail!(
                "`{LOG_STD}` is not read: the standard deviations are those of the policy in {from}; leave it out (--set)"
            );
        }
        Ok(())
    }

    /// Refuses networks other than those of the policy.
    pub fn refuse_other_networks(&self, config: &Config, layers: &Layers) -> Result<()> {
        // A file of Stable-Baselines3 does not contain the activation; that of an export is compared when it is imported.
        let of_file: &[_] = if let Policy::File(_) = self.policy { &["activation"] } else { &[] };
        let left_out = [ONLY_FOR_TRAINING[0], ONLY_FOR_TRAINING[1], (&["exploration"], &["log_std"]), (&[], of_file)];
        let [given, of_policy] =
            [Table::try_from(&config.network)?, self.network()?].map(|network| without(network, &left_out));
        let Some((key, given, expected)) = difference("network", &given, &of_policy) else { return Ok(()) };
        let from = layers.origin(&key).map(|from| format!(" ({from})")).unwrap_or_default();
        bail!("`{key}` is {given}; it must be {expected}, as for the policy in {}{from}", self.path.display());
    }

    /// Creates a trainer that starts with the policy.
    pub fn trainer<K: Kind>(&self, kind: &K, config: &CheckedConfig, device: &Device) -> Result<Trainer<K::Policy>> {
        let from = self.path.to_string_lossy();
        let agent = self.agent(kind, config, device)?;
        Ok(kind.trainer_from(&agent, &from, config, device)?)
    }

    fn agent<K: Kind>(&self, kind: &K, config: &CheckedConfig, device: &Device) -> Result<Agent<K::Policy>> {
        match &self.policy {
            Policy::Run(run) => Ok(kind.load(run.saved(), device)?),
            Policy::File(file) => kind.import(file, &config.env.spec()?, config, device),
        }
    }
}

/// Returns the first setting that differs between two tables, with both values. A missing value is `none`.
fn difference(path: &str, given: &Table, expected: &Table) -> Option<(String, String, String)> {
    let names = given.keys().chain(expected.keys().filter(|name| !given.contains_key(*name)));
    names.into_iter().find_map(|name| {
        let key = format!("{path}.{name}");
        match (given.get(name), expected.get(name)) {
            (Some(Value::Table(given)), Some(Value::Table(expected))) => difference(&key, given, expected),
            (given, expected) if given != expected => {
                let [given, expected] = [given, expected].map(|value| value.map_or("none".into(), Value::to_string));
                Some((key, given, expected))
            }
            _ => None,
        }
    })
}

/// Returns settings without some of them.
fn without(mut settings: Table, left_out: &[Keys]) -> Table {
    for (path, keys) in left_out {
        let mut table = Some(&mut settings);
        for name in *path {
            table = table.and_then(|table| table.get_mut(*name)).and_then(Value::as_table_mut);
        }
        if let Some(table) = table {
            table.retain(|key, _| !keys.contains(&key));
        }
    }
    settings
}
