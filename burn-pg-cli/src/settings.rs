//! Combines the user's settings into one checked configuration.
//!
//! Later layers win: built-in defaults, preset, the policy that training starts from, configuration file, `--set`, and the
//! options of the command line.

mod base;
mod located;

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, Result, bail};
use burn_pg::{
    CheckedConfig, Config, DeviceChoice,
    config::{Algo, ConfigError, ConfigFile, Layer, Layers},
    envs,
};
use clap::Args;
use toml::{Table, Value};

use crate::{
    numbers::whole,
    presets, program,
    registry::{Registry, listed},
    tell::tell,
};
use base::for_images;
use located::Located;

/// The settings a user can give.
#[derive(Args, Clone)]
pub struct Settings {
    /// Use this environment, such as CartPole-v1; `envs` lists them
    #[arg(value_name = "ENV")]
    env: Option<String>,
    /// Use this algorithm: reinforce, a2c, trpo or ppo [default: that of the preset or the file, or else ppo]
    #[arg(long)]
    algo: Option<Algo>,
    /// Use the hyperparameters of this preset, such as ppo-cleanrl; `presets` lists them [default: the one tuned for the
    /// environment and the algorithm, or else the one of the algorithm, or none]
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Read settings from this TOML file, such as the config.toml of an earlier run. They override the preset, and may name
    /// the environment
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    /// Change settings by name, such as gamma=0.98 or checkpoint.interval=10; `config` shows all of them
    #[arg(long, value_name = "KEY=VALUE", num_args = 1..)]
    set: Vec<String>,
    /// Run the networks on this device: auto, flex, ndarray, wgpu, vulkan, metal, webgpu, cuda or rocm [default: auto]
    #[arg(long)]
    device: Option<DeviceChoice>,
    /// Seed all randomness with this number [default: 1]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u64>(0..=i64::MAX as u64, 7))]
    seed: Option<u64>,
    /// Train for this number of environment steps, such as 100000 or 1e5 [default: that of the preset]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u64>(0..=i64::MAX as u64, 100_000))]
    pub total_steps: Option<u64>,
    /// Step environments on this number of threads, 0 for one per core; results do not depend on it [default: 0]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<usize>(0..=1024, 2))]
    threads: Option<usize>,
    /// Run an environment of Python with this interpreter, a path or a name on PATH [default: that of BURN_PG_PYTHON, of the
    /// virtual environment, or python3]
    #[arg(long, value_name = "PYTHON")]
    python: Option<String>,
    /// Step environments of Python in this number of processes [default: one per core]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<usize>(1..=1024, 2))]
    workers: Option<usize>,
    /// The environment if none is given.
    #[arg(skip)]
    default_env: Option<String>,
    /// Settings of a program, over those of the file.
    #[arg(skip)]
    of_program: Option<Layer>,
    /// Where the settings come from, if not from the command line.
    #[arg(skip)]
    origins: Option<Origins>,
}

/// Where settings come from that another program or command passes on.
#[derive(Clone, Default)]
pub struct Origins {
    /// The place of each setting of `--set`, by its name there.
    pub set: BTreeMap<String, String>,
    /// The place of the options.
    pub options: String,
}

/// A configuration, and where its settings come from.
pub struct Resolved {
    pub config: CheckedConfig,
    /// The preset, with the configuration file that overrides it if there is one.
    pub preset: String,
    /// The settings of each place.
    pub layers: Layers,
}

impl Settings {
    /// Takes `env` if no environment is given.
    pub fn in_env(self, env: &str) -> Self {
        Self { default_env: Some(env.into()), ..self }
    }

    /// Attributes errors to these places, in place of the command line.
    pub fn with_origins(self, origins: Origins) -> Self {
        Self { origins: Some(origins), ..self }
    }

    /// Adds settings of a program, which are called `from` in messages.
    pub fn with(self, from: &str, settings: Table) -> Self {
        Self { of_program: Some(Layer { from: from.into(), settings }), ..self }
    }

    /// Fills in `env` if no environment is given, and `preset` if no preset, configuration file or algorithm is given.
    pub fn or(self, env: &str, preset: &str) -> Self {
        let names_algo = |setting: &String| setting.starts_with("algorithm.kind") || setting.starts_with("algorithm=");
        let has_algo = self.algo.is_some() || self.set.iter().any(names_algo);
        let has_preset = self.preset.is_some() || self.config.is_some() || has_algo;
        let preset = if has_preset { self.preset } else { Some(preset.into()) };
        Self { preset, ..self }.in_env(env)
    }

    /// Returns the configuration from all layers.
    pub fn resolve(&self, registry: &Registry) -> Result<Resolved> {
        self.resolve_over(None, registry)
    }

    /// Returns the configuration from all layers, with `start`, the settings of the policy that training starts from, over
    /// the preset.
    pub fn resolve_over(&self, start: Option<&Layer>, registry: &Registry) -> Result<Resolved> {
        let (positional, set) = self.positional()?;
        let file = self.config.as_deref().map(ConfigFile::read).transpose()?;
        let mut given = self.layers_of(&set)?;
        given.push(self.options()?);
        given.splice(0..0, self.of_program.clone());
        if let Some(file) = &file {
            given.insert(0, Layer { from: file.path.display().to_string(), settings: file.settings.clone() });
        }
        let env = self.env_of(positional, &given, file.as_ref())?;
        // An unknown environment is reported before errors that follow from it.
        let known = match envs::is_of_python(&env) {
            true => None,
            false => Some(envs::spec(&env).map_err(listed)?),
        };
        if positional.is_some() {
            let [.., options] = &mut given[..] else { unreachable!("there are options") };
            options.set("env.name", env.as_str())?;
        }

        let mut base = self.base(&env, &given)?;
        if let Some(preset) = self.preset.as_deref().filter(|preset| !presets::is_tuned_for(preset, &env))
            && let Some(other) = presets::env_of(preset)
        {
            tell(format_args!("warning: the {} is tuned for {other}, not for {env}", base.from));
        }
        refuse_two_algorithms(self.preset.iter().map(|_| &base).chain(&given))?;
        let mut default = Layer { from: "default".into(), settings: Table::new() };
        default.set("env.name", env.as_str())?;
        let over = |base: &Layer| {
            let default = (positional.is_none()).then_some(&default);
            let mut layers = Layers::default();
            for layer in default.into_iter().chain([base]).chain(start).chain(&given) {
                layers.push(layer.from.clone(), layer.settings.clone());
            }
            layers
        };
        let mut layers = over(&base);
        // An environment of Python is made with some of the settings.
        let spec = match (known, layers.config()) {
            (None, Ok(config)) => Some(config.env.spec()?),
            (known, _) => known,
        };
        if let Some(preset) = spec.as_ref().and_then(|spec| for_images(&base, spec)) {
            (base, layers) = (preset.clone(), over(&preset));
        }
        let mut errors = Located::new(file.as_ref());
        for layer in &given {
            errors.check_layer(layer, &layers);
        }
        let checked = layers.config().and_then(|config| {
            let mut add = |error: &ConfigError| errors.add(error, &layers);
            let spec = spec.as_ref().expect("there is a specification if there is a configuration");
            for layer in &given {
                let _ = config.check_read(layer, spec).inspect_err(&mut add);
            }
            // A preset may have settings that another layer leaves without a reader, but none that the environment does.
            if self.preset.is_some() {
                let exploration = base.only("network.exploration");
                let _ = config.check_read(&exploration, spec).inspect_err(&mut add);
            }
            let resolved = registry.resolved(&config).inspect_err(&mut add);
            let checked = resolved.as_ref().unwrap_or(&config).clone().validate()?;
            resolved.map(|_| checked)
        });
        let config = checked.inspect_err(|error| errors.add(error, &layers));
        errors.check()?;
        let config = config?;
        let preset = file.map_or_else(|| base.from.clone(), |file| described(&file, &base));
        Ok(Resolved { config, preset, layers })
    }

    /// Returns the settings of a resumed run: `config` with the step count, device, threads, interpreter and workers that
    /// are given.
    pub fn over(&self, mut config: Config) -> Result<CheckedConfig> {
        let run = &mut config.run;
        run.total_steps = self.total_steps.unwrap_or(run.total_steps);
        run.device = self.device.unwrap_or(run.device);
        run.threads = self.threads.unwrap_or(run.threads);
        let env = &mut config.env;
        env.python = self.python.clone().or(env.python.take());
        env.workers = self.workers.or(env.workers);
        Ok(config.validate()?)
    }

    /// Returns the environment and the `--set` settings. An option that takes several values also takes an environment
    /// that follows it, as in `--set gamma=0.9 CartPole-v1`.
    fn positional(&self) -> Result<(Option<&str>, Vec<&str>)> {
        let (settings, names): (Vec<&str>, Vec<&str>) =
            self.set.iter().map(String::as_str).partition(|setting| setting.contains('='));
        match (&self.env, &names[..]) {
            (env, []) => Ok((env.as_deref(), settings)),
            (None, [env]) => Ok((Some(env), settings)),
            (_, [.., last]) => bail!("--set {last}: expected KEY=VALUE, such as --set gamma=0.98"),
        }
    }

    /// Returns the environment: the one on the command line, or that of a layer.
    fn env_of(&self, positional: Option<&str>, layers: &[Layer], file: Option<&ConfigFile>) -> Result<String> {
        let named =
            |layer: &Layer| Some((layer.from.clone(), layer.settings.get("env")?.get("name")?.as_str()?.to_owned()));
        let named: Vec<_> = layers.iter().filter_map(named).collect();
        match (positional, named.last()) {
            (Some(env), _) => match named.iter().find(|(_, other)| other != env) {
                Some((from, other)) => bail!(
                    "two environments: `{env}` on the command line, and `{other}` in {from}; leave out one of them"
                ),
                None => Ok(env.into()),
            },
            (None, Some((_, env))) => Ok(env.clone()),
            (None, None) => {
                if let Some(env) = self.preset.as_deref().and_then(presets::env_of).or(self.default_env.clone()) {
                    return Ok(env);
                }
                // A name that is not a text, for example.
                let mut errors = Located::new(file);
                for layer in layers {
                    errors.check_layer(layer, &Layers::default());
                }
                errors.check()?;
                let [example, envs, help] =
                    [program::subcommand() + " CartPole-v1", "envs".into(), program::subcommand() + " --help"]
                        .map(program::command);
                bail!(
                    "no environment was given; type for example `{example}`; `{envs}` lists the environments, and `{help}` \
                     the options"
                )
            }
        }
    }

    /// Returns the `--set` settings as layers, one for each place that they come from.
    fn layers_of(&self, settings: &[&str]) -> Result<Vec<Layer>> {
        let layer = |from: &str| Layer { from: from.into(), settings: Table::new() };
        let mut layers = vec![layer("--set")];
        for setting in settings {
            let (key, value) = setting
                .split_once('=')
                .with_context(|| format!("--set {setting}: expected KEY=VALUE, such as --set gamma=0.98"))?;
            let place = self.origins.as_ref().and_then(|origins| origins.set.get(key.trim()));
            layers.extend(place.map(|place| layer(place)));
            let of_setting = if place.is_some() { layers.last_mut() } else { layers.first_mut() };
            let of_setting = of_setting.expect("there is a layer");
            of_setting.set(key.trim(), parse_value(value.trim())).with_context(|| format!("--set {setting}"))?;
        }
        Ok(layers)
    }

    /// Returns the settings from the options of the command line.
    fn options(&self) -> Result<Layer> {
        let from = self.origins.as_ref().map_or("the command line", |origins| &origins.options);
        let mut layer = Layer { from: from.into(), settings: Table::new() };
        let whole = |value: u64| i64::try_from(value).expect("the options take no larger number");
        if let Some(algo) = self.algo {
            layer.set("algorithm.kind", algo.name())?;
        }
        if let Some(device) = self.device {
            layer.set("run.device", device.to_string())?;
        }
        if let Some(seed) = self.seed {
            layer.set("run.seed", whole(seed))?;
        }
        if let Some(steps) = self.total_steps {
            layer.set("run.total_steps", whole(steps))?;
        }
        if let Some(threads) = self.threads {
            layer.set("run.threads", whole(threads as u64))?;
        }
        if let Some(python) = &self.python {
            layer.set("env.python", python.as_str())?;
        }
        if let Some(workers) = self.workers {
            layer.set("env.workers", whole(workers as u64))?;
        }
        Ok(layer)
    }
}

fn algorithm_of(layer: &Layer) -> Option<Algo> {
    layer.settings.get("algorithm")?.get("kind")?.as_str()?.parse().ok()
}

fn refuse_two_algorithms<'a>(layers: impl Iterator<Item = &'a Layer>) -> Result<()> {
    let mut named = layers.filter_map(|layer| Some((algorithm_of(layer)?, &layer.from)));
    let Some((algo, from)) = named.next() else { return Ok(()) };
    match named.find(|(other, _)| *other != algo) {
        Some((other, place)) => {
            bail!("two algorithms: `{algo}` from {from}, and `{other}` from {place}; leave out one of them")
        }
        None => Ok(()),
    }
}

/// Describes a file of settings over a preset, with the number of settings that it overrides.
fn described(file: &ConfigFile, preset: &Layer) -> String {
    let path = file.path.display();
    match overridden(&preset.settings, &file.settings) {
        0 => format!("{path} over {}", preset.from),
        1 => format!("{path}, which overrides 1 setting of {}", preset.from),
        count => format!("{path}, which overrides {count} settings of {}", preset.from),
    }
}

/// Returns the number of settings that both tables have, with different values.
fn overridden(under: &Table, over: &Table) -> usize {
    let number = |value: &Value| value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
    let both = over.iter().filter_map(|(name, value)| Some((under.get(name)?, value)));
    both.map(|values| match values {
        (Value::Table(under), Value::Table(over)) => overridden(under, over),
        (under, over) if under == over || number(under).is_some_and(|under| number(over) == Some(under)) => 0,
        _ => 1,
    })
    .sum()
}

/// Reads a value as TOML, or as a string if it is not valid TOML: `relu` needs no quotes.
fn parse_value(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>();
    match parsed {
        Ok(mut table) if table.len() == 1 => table.remove("value"),
        _ => None,
    }
    .or_else(|| number(text))
    .unwrap_or_else(|| Value::String(text.into()))
}

/// Reads a number that is not valid TOML: `.5` or `1.`.
fn number(text: &str) -> Option<Value> {
    let is_number = text.chars().all(|letter| letter.is_ascii_digit() || "+-.eE_".contains(letter));
    text.replace('_', "").parse().ok().filter(|_| is_number).map(Value::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_toml_or_as_text() {
        assert_eq!(parse_value("0.5"), Value::Float(0.5));
        assert_eq!([".5", "1."].map(parse_value), [0.5, 1.0].map(Value::Float));
        assert_eq!(parse_value("3"), Value::Integer(3));
        assert_eq!(parse_value("true"), Value::Boolean(true));
        assert_eq!(parse_value("[1, 2]"), Value::Array(vec![1.into(), 2.into()]));
        assert_eq!(parse_value("relu"), Value::String("relu".into()));
        assert_eq!(parse_value("\"relu\""), Value::String("relu".into()));
        assert_eq!(parse_value("1\nseed = 2"), Value::String("1\nseed = 2".into()));
        assert_eq!(parse_value(""), Value::String(String::new()));
    }

    #[test]
    fn settings_that_differ_from_those_of_a_preset_are_counted() {
        let preset = "run.total_steps = 5\nalgorithm = { gamma = 1, loss = [] }\nenv.num_envs = 8";
        let count = |file: &str| overridden(&preset.parse().unwrap(), &file.parse().unwrap());
        assert_eq!(count("run = { total_steps = 5, seed = 3 }\nalgorithm.gamma = 1.0"), 0);
        assert_eq!(count("run.total_steps = 6\nalgorithm = { gamma = 0.9, loss = [] }\nrollout.num_steps = 3"), 2);
    }
}
