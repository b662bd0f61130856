//! Combines the user's settings into one checked configuration.
//!
//! Later layers win: built-in defaults, preset, configuration file, `--set`, and the options of the command line.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use burn_pg::{
    CheckedConfig, Config, DeviceChoice,
    config::Algo,
    device::{self, OpenDevice},
    envs,
    run::directory,
};
use clap::Args;
use toml::{Table, Value};

use crate::presets;

/// The settings a user can give.
#[derive(Args, Clone)]
pub struct Settings {
    /// The environment to train in; `burn-pg envs` lists them
    #[arg(value_name = "ENV")]
    env: Option<String>,
    /// Algorithm: reinforce, a2c, trpo or ppo [default: ppo]
    #[arg(long)]
    algo: Option<Algo>,
    /// Named hyperparameters: a2c, reinforce, trpo, ppo-cleanrl, or those tuned for an environment, such as cartpole-v1-ppo [default:
    /// those tuned for the environment and the algorithm, or else for the algorithm, if there are any]
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Settings from a TOML file, such as the config.toml of an earlier run
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    /// Settings by name, such as gamma=0.98 or checkpoint.interval=10; the config.toml of any run shows all names
    #[arg(long, value_name = "KEY=VALUE", num_args = 1..)]
    set: Vec<String>,
    /// Where the networks run: auto, flex, ndarray, wgpu, vulkan, metal, webgpu, cuda or rocm [default: auto]
    #[arg(long)]
    device: Option<DeviceChoice>,
    /// Seed of all randomness [default: 1]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    seed: Option<u64>,
    /// Environment steps to train for, such as 100000 or 1e5 [default: that of the preset]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = parse_count)]
    pub total_steps: Option<u64>,
    /// Threads that step environments, 0 for one per core; no result depends on it [default: 0]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    threads: Option<usize>,
}

/// A configuration, and where its hyperparameters come from before `--set`.
pub struct Resolved {
    pub config: CheckedConfig,
    /// The preset, with the configuration file that overrides it if there is one.
    pub preset: String,
}

/// Opens the device that a configuration asks for. Returns the configuration with that backend in place of `auto`, and
/// the device.
pub fn with_open_device(config: &CheckedConfig) -> Result<(CheckedConfig, OpenDevice)> {
    let device = device::open(config.device)?;
    let config = Config { device: DeviceChoice::Backend(device.backend), ..(**config).clone() }.validate()?;
    Ok((config, device))
}

impl Settings {
    /// Fills in `env` if no environment is given, and `preset` if no preset, configuration file or algorithm is given.
    pub fn or(self, env: &str, preset: &str) -> Self {
        let has_env = self.env.is_some() || self.set.iter().any(|setting| !setting.contains('='));
        let env = if has_env { self.env } else { Some(env.into()) };
        let has_preset = self.preset.is_some() || self.config.is_some() || self.algo.is_some();
        let preset = if has_preset { self.preset } else { Some(preset.into()) };
        Self { env, preset, ..self }
    }

    /// Returns the configuration from all layers.
    pub fn resolve(&self) -> Result<Resolved> {
        let (env, set) = self.positional()?;
        // An unknown environment is reported before errors that follow from it.
        envs::spec(env)?;
        let file = self.file(env)?;
        let (parts, set): (Vec<_>, Vec<_>) = set.into_iter().partition(|setting| is_part(setting));
        let set = parse_set(env, &set)?;
        let parts: Vec<_> = parts.into_iter().filter_map(|part| part.split_once('=')).collect();
        let given = self.given(env)?;

        let (mut table, preset) = self.base(env, &[&file, &set, &given])?;
        for layer in [file, set] {
            table.extend(layer);
        }
        for (path, value) in parts {
            set_part(&mut table, path, value)?;
        }
        table.extend(given);
        Ok(Resolved { config: Config::from_table(table)?.validate()?, preset })
    }

    /// Returns the settings of a resumed run: `config` with the step count, device and threads that are given.
    pub fn over(&self, config: Config) -> Result<CheckedConfig> {
        let total_steps = self.total_steps.unwrap_or(config.total_steps);
        let device = self.device.unwrap_or(config.device);
        let threads = self.threads.unwrap_or(config.threads);
        Ok(Config { total_steps, device, threads, ..config }.validate()?)
    }

    /// Returns the environment and the `--set` settings. An option that takes several values also takes an environment
    /// that follows it, as in `--set gamma=0.9 CartPole-v1`.
    fn positional(&self) -> Result<(&str, Vec<&str>)> {
        let (settings, names): (Vec<&str>, Vec<&str>) =
            self.set.iter().map(String::as_str).partition(|setting| setting.contains('='));
        match (&self.env, &names[..]) {
            (Some(env), []) => Ok((env, settings)),
            (None, [env]) => Ok((env, settings)),
            (None, []) => bail!("no environment was given: burn-pg train <ENV> [OPTIONS]; `burn-pg envs` lists them"),
            (_, [.., last]) => bail!("--set {last}: expected KEY=VALUE"),
        }
    }

    /// Returns the named preset, or the one tuned for the environment and the algorithm, or the one of the algorithm,
    /// or no settings; and a description of it.
    fn base(&self, env: &str, layers: &[&Table]) -> Result<(Table, String)> {
        let algo = layers.iter().rev().find_map(|layer| layer.get("algo")?.as_str());
        let algo = algo.map_or(Ok(Algo::Ppo), str::parse)?;
        let tuned = presets::tuned_name(env, algo);
        let (table, preset) = match &self.preset {
            Some(name) => (presets::named(name)?, format!("preset {name}")),
            // The preset of the algorithm is not tuned for an environment.
            None => [tuned.as_str(), algo.name()]
                .into_iter()
                .find_map(|name| Some((presets::named(name).ok()?, format!("preset {name}"))))
                .unwrap_or_else(|| (Table::new(), "no preset".into())),
        };
        Ok(match &self.config {
            Some(path) => (table, format!("{} over {preset}", path.display())),
            None => (table, preset),
        })
    }

    /// Reads the configuration file, if one is given.
    fn file(&self, env: &str) -> Result<Table> {
        let Some(path) = &self.config else {
            return Ok(Table::new());
        };
        let table = directory::read_config(path)?;
        check_layer(&table).with_context(|| path.display().to_string())?;
        match table.get("env").and_then(Value::as_str) {
            Some(other) if other != env => bail!("{} is for `{other}`, not for `{env}`", path.display()),
            _ => Ok(table),
        }
    }

    /// Returns the settings from the options of the command line.
    fn given(&self, env: &str) -> Result<Table> {
        let mut table = Table::new();
        table.insert("env".into(), env.into());
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

/// Parses the `--set` options.
fn parse_set(env: &str, settings: &[&str]) -> Result<Table> {
    let mut table = Table::new();
    for setting in settings {
        let (key, value) = setting.split_once('=').with_context(|| format!("--set {setting}: expected KEY=VALUE"))?;
        table.insert(key.trim().into(), parse_value(value.trim()));
    }
    check_layer(&table).context("--set")?;
    if table.get("env").is_some_and(|other| other.as_str() != Some(env)) {
        bail!("--set env contradicts `{env}`");
    }
    Ok(table)
}

/// True if it sets a part of a setting, such as `checkpoint.interval=10`.
fn is_part(setting: &str) -> bool {
    setting.split_once('=').is_some_and(|(key, _)| key.contains('.'))
}

/// Sets a part of a setting, without changing its other parts.
fn set_part(table: &mut Table, path: &str, value: &str) -> Result<()> {
    let (outer, key) = path.trim().rsplit_once('.').with_context(|| format!("--set {path}"))?;
    let mut inner = table;
    for name in outer.split('.') {
        let entry = inner.entry(name).or_insert_with(|| Value::Table(Table::new()));
        inner = match entry {
            Value::Table(inner) => inner,
            other => bail!("--set {path}: `{name}` is {other}, which has no parts"),
        };
    }
    inner.insert(key.into(), parse_value(value.trim()));
    Ok(())
}

/// Refuses unknown keys and values of the wrong type, even if a later layer overrides them.
fn check_layer(table: &Table) -> Result<()> {
    Config::from_table(table.clone())?;
    Ok(())
}

/// Reads `100000`, `100_000` or `1e5`.
fn parse_count(text: &str) -> Result<u64, String> {
    let digits = text.replace('_', "");
    let whole = |number: f64| number.fract() == 0.0 && (0.0..9e15).contains(&number);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // whole, and within 53 bits
    match (digits.parse(), digits.parse::<f64>()) {
        (Ok(count), _) => Ok(count),
        (Err(_), Ok(number)) if whole(number) => Ok(number as u64),
        _ => Err("expected a whole number, such as 100000 or 1e5".into()),
    }
}

fn integer(option: &str, value: u64) -> Result<Value> {
    let value = i64::try_from(value).with_context(|| format!("{option} {value}: must be below 2^63"))?;
    Ok(Value::Integer(value))
}

/// Reads a value as TOML, or as a string if it is not valid TOML: `relu` needs no quotes.
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

    #[test]
    fn counts_are_read_as_people_write_them() {
        for (text, count) in [("100000", 100_000), ("100_000", 100_000), ("1e5", 100_000), ("0", 0)] {
            assert_eq!(parse_count(text), Ok(count));
        }
        for text in ["-5", "1.5", "1e30", "many", "", "nan"] {
            assert!(parse_count(text).is_err(), "{text}");
        }
    }
}
