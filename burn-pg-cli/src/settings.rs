//! From what the user gave to one checked configuration.
//!
//! Later layers win: built-in defaults, preset, configuration file, `--set`, and the options of the command line.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use burn_pg::{CheckedConfig, Config, DeviceChoice, config::Algo, run_dir};
use clap::Args;
use toml::{Table, Value};

use crate::presets;

/// The settings a user can give.
#[derive(Args)]
pub struct Settings {
    /// The environment to train in; `burn-pg envs` lists them
    pub env: String,
    /// Algorithm [default: ppo]
    #[arg(long)]
    algo: Option<Algo>,
    /// Named hyperparameters [default: the ones tuned for the environment, if there are any]
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Settings from a TOML file, such as the config.toml of an earlier run
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    /// One setting, such as gamma=0.98; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Where the networks run: auto, flex, ndarray, wgpu, vulkan, metal, webgpu, cuda or rocm
    #[arg(long)]
    device: Option<DeviceChoice>,
    /// Seed of all randomness
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    seed: Option<u64>,
    /// Environment steps to train for
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    total_steps: Option<u64>,
    /// Threads that step environments, 0 for one per core; no result depends on it
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    threads: Option<usize>,
}

impl Settings {
    /// The configuration they add up to.
    pub fn resolve(&self) -> Result<CheckedConfig> {
        let file = self.file()?;
        let set = self.set()?;
        let given = self.given()?;

        let mut table = self.base(&[&file, &set, &given])?;
        for layer in [file, set, given] {
            table.extend(layer);
        }
        Ok(Config::from_table(table)?.validate()?)
    }

    /// The preset asked for, or the one tuned for the environment and the algorithm.
    fn base(&self, layers: &[&Table]) -> Result<Table> {
        if let Some(name) = &self.preset {
            return Ok(presets::named(name)?);
        }
        let algo = layers.iter().rev().find_map(|layer| layer.get("algo")?.as_str());
        let algo = algo.map_or(Ok(Algo::Ppo), str::parse)?;
        Ok(presets::tuned(&self.env, algo).unwrap_or_default())
    }

    /// The configuration file.
    fn file(&self) -> Result<Table> {
        let Some(path) = &self.config else {
            return Ok(Table::new());
        };
        let table = run_dir::read_config(path)?;
        Config::check_keys(&table).with_context(|| path.display().to_string())?;
        match table.get("env").and_then(Value::as_str) {
            Some(env) if env != self.env => {
                bail!("{} is for `{env}`, not for `{}`", path.display(), self.env)
            }
            _ => Ok(table),
        }
    }

    /// The `--set` options.
    fn set(&self) -> Result<Table> {
        let mut table = Table::new();
        for setting in &self.set {
            let (key, value) =
                setting.split_once('=').with_context(|| format!("--set {setting}: expected KEY=VALUE"))?;
            table.insert(key.trim().into(), parse_value(value.trim()));
        }
        Config::check_keys(&table).context("--set")?;
        if table.get("env").is_some_and(|env| env.as_str() != Some(&self.env)) {
            bail!("--set env contradicts `{}`", self.env);
        }
        Ok(table)
    }

    /// The options of the command line.
    fn given(&self) -> Result<Table> {
        let mut table = Table::new();
        table.insert("env".into(), self.env.clone().into());
        let mut insert = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                table.insert(key.into(), value);
            }
        };
        insert("algo", self.algo.map(|algo| algo.name().into()));
        insert("device", self.device.map(|device| device.to_string().into()));
        insert("seed", self.seed.map(|seed| integer("--seed", seed)).transpose()?);
        insert("total_steps", self.total_steps.map(|n| integer("--total-steps", n)).transpose()?);
        insert("threads", self.threads.map(|n| integer("--threads", n as u64)).transpose()?);
        Ok(table)
    }
}

fn integer(option: &str, value: u64) -> Result<Value> {
    let value = i64::try_from(value).with_context(|| format!("{option} {value}: must be below 2^63"))?;
    Ok(Value::Integer(value))
}

/// Reads a value as TOML, and what is not TOML as a string: `relu` needs no quotes.
fn parse_value(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>();
    match parsed {
        Ok(mut table) if table.len() == 1 => table.remove("value"),
        _ => None,
    }
    .unwrap_or_else(|| Value::String(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_toml_or_as_text() {
        assert_eq!(parse_value("0.5"), Value::Float(0.5));
        assert_eq!(parse_value("3"), Value::Integer(3));
        assert_eq!(parse_value("true"), Value::Boolean(true));
        assert_eq!(parse_value("[1, 2]"), Value::Array(vec![1.into(), 2.into()]));
        assert_eq!(parse_value("relu"), Value::String("relu".into()));
        assert_eq!(parse_value("\"relu\""), Value::String("relu".into()));
        assert_eq!(parse_value("1\nseed = 2"), Value::String("1\nseed = 2".into()));
        assert_eq!(parse_value(""), Value::String(String::new()));
    }
}
