//! Settings of a run: parsed leniently into a [`Config`], then checked into a [`CheckedConfig`] before anything starts.

use std::{fmt, ops::Deref, str::FromStr};

use burn_pg_envs::{EnvSpec, UnknownName};
use serde::{Deserialize, Serialize};

use crate::{device::DeviceChoice, policy::Activation};

/// Every setting of a run. Nothing is checked yet; [`validate`](Self::validate) does that.
///
/// | key | default | meaning | range |
/// | --- | --- | --- | --- |
/// | `env` | `CartPole-v1` | environment | a registered name |
/// | `algo` | `ppo` | algorithm | `ppo` |
/// | `seed` | 1 | seed of all randomness | 0..2^63 |
/// | `total_steps` | 500000 | environment steps to train for, rounded down to whole rollouts | at least one rollout |
/// | `device` | `auto` | where the networks run | see [`DeviceChoice`] |
/// | `threads` | 0 | threads that step environments, 0 for one per core; no result depends on it | |
/// | `num_envs` | 8 | environments stepped as one batch | at least 1 |
/// | `num_steps` | 128 | steps per environment in a rollout | at least 1 |
/// | `num_epochs` | 4 | passes over each rollout | at least 1 |
/// | `num_minibatches` | 4 | minibatches a pass | a divisor of `num_envs * num_steps` |
/// | `gamma` | 0.99 | discount | 0..=1 |
/// | `gae_lambda` | 0.95 | weight of longer sums in the advantages | 0..=1 |
/// | `normalize_advantages` | true | shift and scale the advantages of each minibatch | |
/// | `clip_range` | 0.2 | interval around 1 in which the ratio is trusted | more than 0 |
/// | `clip_value` | true | limit the moves of the values by `clip_range` too | |
/// | `entropy_weight` | 0.01 | weight of the entropy term | 0 or more |
/// | `value_weight` | 0.5 | weight of the value term | 0 or more |
/// | `learning_rate` | 2.5e-4 | step size of Adam | more than 0 |
/// | `anneal_learning_rate` | true | let it fall in a straight line to 0 | |
/// | `adam_epsilon` | 1e-5 | added to Adam's denominator | more than 0 |
/// | `max_grad_norm` | 0.5 | bound of the global gradient norm | more than 0 |
/// | `hidden_sizes` | `[64, 64]` | widths of the hidden layers of actor and critic | each at least 1 |
/// | `activation` | `tanh` | what follows each hidden layer | `tanh`, `relu` |
/// | `eval_episodes` | 100 | episodes of the evaluation after training | at least 1 |
///
/// The defaults are the hyperparameters of CleanRL's `ppo.py`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // the table above
#[allow(clippy::struct_excessive_bools)] // switches a user sets by name
pub struct Config {
    pub env: String,
    pub algo: Algo,
    pub seed: u64,
    pub total_steps: u64,
    pub device: DeviceChoice,
    pub threads: usize,
    pub num_envs: usize,
    pub num_steps: usize,
    pub num_epochs: usize,
    pub num_minibatches: usize,
    pub gamma: f64,
    pub gae_lambda: f64,
    pub normalize_advantages: bool,
    pub clip_range: f64,
    pub clip_value: bool,
    pub entropy_weight: f64,
    pub value_weight: f64,
    pub learning_rate: f64,
    pub anneal_learning_rate: bool,
    pub adam_epsilon: f64,
    pub max_grad_norm: f64,
    pub hidden_sizes: Vec<usize>,
    pub activation: Activation,
    pub eval_episodes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            env: "CartPole-v1".into(),
            algo: Algo::Ppo,
            seed: 1,
            total_steps: 500_000,
            device: DeviceChoice::Auto,
            threads: 0,
            num_envs: 8,
            num_steps: 128,
            num_epochs: 4,
            num_minibatches: 4,
            gamma: 0.99,
            gae_lambda: 0.95,
            normalize_advantages: true,
            clip_range: 0.2,
            clip_value: true,
            entropy_weight: 0.01,
            value_weight: 0.5,
            learning_rate: 2.5e-4,
            anneal_learning_rate: true,
            adam_epsilon: 1e-5,
            max_grad_norm: 0.5,
            hidden_sizes: vec![64, 64],
            activation: Activation::Tanh,
            eval_episodes: 100,
        }
    }
}

/// An algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "&str", try_from = "String")]
#[non_exhaustive]
pub enum Algo {
    /// Proximal policy optimisation with the clipped surrogate.
    Ppo,
}

impl Algo {
    /// Every algorithm.
    pub const ALL: [Self; 1] = [Self::Ppo];

    /// Its name on the command line and in configurations.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ppo => "ppo",
        }
    }
}

impl fmt::Display for Algo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Algo> for &'static str {
    fn from(algo: Algo) -> Self {
        algo.name()
    }
}

impl FromStr for Algo {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|algo| algo.name() == name)
            .ok_or_else(|| UnknownName::new("algorithm", name, Self::ALL.map(Self::name)))
    }
}

impl TryFrom<String> for Algo {
    type Error = UnknownName;

    fn try_from(name: String) -> Result<Self, UnknownName> {
        name.parse()
    }
}

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no such key.
    #[error(transparent)]
    UnknownKey(#[from] UnknownName),
    /// A value has the wrong type, or is not one of the possible names.
    #[error("{0}")]
    Value(String),
    /// A number is out of range.
    #[error("`{key}` is {value}, but must be {range}")]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// The values it may have.
        range: &'static str,
    },
    /// The rollouts cannot be cut into equal minibatches.
    #[error(
        "`num_minibatches` is {num_minibatches}, which does not divide the {batch} samples of a rollout \
         (`num_envs` {num_envs} x `num_steps` {num_steps})"
    )]
    Minibatches {
        /// `num_minibatches`
        num_minibatches: usize,
        /// Samples of a rollout.
        batch: usize,
        /// `num_envs`
        num_envs: usize,
        /// `num_steps`
        num_steps: usize,
    },
    /// The run would end before its first update.
    #[error(
        "`total_steps` is {total_steps}, which is less than the {batch} steps of one rollout \
         (`num_envs` x `num_steps`)"
    )]
    TooFewSteps {
        /// `total_steps`
        total_steps: u64,
        /// Steps of a rollout.
        batch: usize,
    },
    /// There is no policy for actions of this kind.
    #[error("environment `{env}` has the action space {space}, for which there is no policy yet")]
    ActionSpace {
        /// The environment.
        env: String,
        /// Its action space.
        space: String,
    },
}

impl ConfigError {
    pub(crate) fn action_space(spec: &EnvSpec) -> Self {
        Self::ActionSpace { env: spec.id.clone(), space: spec.action_space.to_string() }
    }
}

impl Config {
    /// The names of all settings.
    #[must_use]
    pub fn keys() -> Vec<String> {
        let table = toml::Table::try_from(Self::default()).expect("the defaults can be written as TOML");
        table.into_iter().map(|(key, _)| key).collect()
    }

    /// Refuses keys that do not exist.
    ///
    /// # Errors
    /// [`ConfigError::UnknownKey`], with the nearest key there is.
    pub fn check_keys(table: &toml::Table) -> Result<(), ConfigError> {
        let known = Self::keys();
        match table.keys().find(|key| !known.contains(key)) {
            None => Ok(()),
            Some(key) => Err(UnknownName::new("key", key, known).into()),
        }
    }

    /// Reads settings; keys that are missing keep their defaults.
    ///
    /// # Errors
    /// [`ConfigError::UnknownKey`] or [`ConfigError::Value`].
    pub fn from_table(table: toml::Table) -> Result<Self, ConfigError> {
        Self::check_keys(&table)?;
        // One key at a time, so that an error can name it.
        for (key, value) in &table {
            let single = toml::Table::from_iter([(key.clone(), value.clone())]);
            if let Err(error) = single.try_into::<Self>() {
                let message = error.to_string();
                let first = message.lines().next().unwrap_or_default();
                return Err(ConfigError::Value(format!("`{key}` = {value}: {first}")));
            }
        }
        table.try_into().map_err(|error: toml::de::Error| ConfigError::Value(error.to_string()))
    }

    /// All settings as TOML, enough to run again.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a configuration can be written as TOML")
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// The first [`ConfigError`] there is. Whether the environment exists is found out when it is made.
    pub fn validate(self) -> Result<CheckedConfig, ConfigError> {
        let not_negative = |v: f64| v.is_finite() && v >= 0.0;
        let positive = |v: f64| v.is_finite() && v > 0.0;
        let unit = |v: f64| (0.0..=1.0).contains(&v);

        let whole = "a whole number of at least 1";
        check("seed", self.seed, i64::try_from(self.seed).is_ok(), "below 2^63")?;
        check("num_envs", self.num_envs, self.num_envs > 0 && u32::try_from(self.num_envs).is_ok(), whole)?;
        check("num_steps", self.num_steps, self.num_steps > 0, whole)?;
        check("num_epochs", self.num_epochs, self.num_epochs > 0, whole)?;
        check("num_minibatches", self.num_minibatches, self.num_minibatches > 0, whole)?;
        check("eval_episodes", self.eval_episodes, self.eval_episodes > 0, whole)?;
        check("gamma", self.gamma, unit(self.gamma), "between 0 and 1")?;
        check("gae_lambda", self.gae_lambda, unit(self.gae_lambda), "between 0 and 1")?;
        check("clip_range", self.clip_range, positive(self.clip_range), "more than 0")?;
        check("entropy_weight", self.entropy_weight, not_negative(self.entropy_weight), "0 or more")?;
        check("value_weight", self.value_weight, not_negative(self.value_weight), "0 or more")?;
        check("learning_rate", self.learning_rate, positive(self.learning_rate), "more than 0")?;
        check("adam_epsilon", self.adam_epsilon, positive(self.adam_epsilon), "more than 0")?;
        check("max_grad_norm", self.max_grad_norm, positive(self.max_grad_norm), "more than 0")?;
        let sizes = format!("{:?}", self.hidden_sizes);
        check("hidden_sizes", sizes, !self.hidden_sizes.contains(&0), "widths of at least 1")?;

        let batch = self.num_envs.checked_mul(self.num_steps);
        let batch = batch.filter(|&batch| u32::try_from(batch).is_ok());
        let Some(batch) = batch else {
            let value = format!("{} with {} environments", self.num_steps, self.num_envs);
            return Err(out_of_range("num_steps", value, "small enough for a rollout of less than 2^32 samples"));
        };
        if !batch.is_multiple_of(self.num_minibatches) {
            let (num_minibatches, num_envs, num_steps) = (self.num_minibatches, self.num_envs, self.num_steps);
            return Err(ConfigError::Minibatches { num_minibatches, batch, num_envs, num_steps });
        }
        if self.total_steps < batch as u64 {
            return Err(ConfigError::TooFewSteps { total_steps: self.total_steps, batch });
        }
        Ok(CheckedConfig(self))
    }
}

fn check(key: &'static str, value: impl fmt::Display, holds: bool, range: &'static str) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(out_of_range(key, value, range)) }
}

fn out_of_range(key: &'static str, value: impl fmt::Display, range: &'static str) -> ConfigError {
    ConfigError::OutOfRange { key, value: value.to_string(), range }
}

/// A configuration in which every setting is in range.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedConfig(Config);

impl Deref for CheckedConfig {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.0
    }
}

impl CheckedConfig {
    /// Samples of one rollout: `num_envs * num_steps`.
    #[must_use]
    pub fn batch_size(&self) -> usize {
        self.num_envs * self.num_steps
    }

    /// Samples of one minibatch.
    #[must_use]
    pub fn minibatch_size(&self) -> usize {
        self.batch_size() / self.num_minibatches
    }

    /// Updates of the whole run: `total_steps` in whole rollouts, rounded down.
    #[must_use]
    pub fn num_updates(&self) -> u64 {
        self.total_steps / self.batch_size() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<CheckedConfig, ConfigError> {
        Config::from_table(text.parse().unwrap())?.validate()
    }

    #[test]
    fn a_resolved_configuration_is_read_back() {
        let config = Config { gamma: 0.5, hidden_sizes: vec![], ..Config::default() };
        assert_eq!(*read(&config.to_toml()).unwrap(), config);
    }

    #[test]
    fn numbers_out_of_range_are_refused_by_name() {
        for (text, message) in [
            ("gamma = 1.5", "`gamma` is 1.5, but must be between 0 and 1"),
            ("gae_lambda = -0.1", "`gae_lambda` is -0.1, but must be between 0 and 1"),
            ("gamma = nan", "`gamma` is NaN, but must be between 0 and 1"),
            ("clip_range = -0.2", "`clip_range` is -0.2, but must be more than 0"),
            ("learning_rate = 0", "`learning_rate` is 0, but must be more than 0"),
            ("learning_rate = inf", "`learning_rate` is inf, but must be more than 0"),
            ("num_envs = 0", "`num_envs` is 0, but must be a whole number of at least 1"),
            ("hidden_sizes = [64, 0]", "`hidden_sizes` is [64, 0], but must be widths of at least 1"),
            (
                "num_minibatches = 3",
                "`num_minibatches` is 3, which does not divide the 1024 samples of a rollout \
                 (`num_envs` 8 x `num_steps` 128)",
            ),
            (
                "total_steps = 1000",
                "`total_steps` is 1000, which is less than the 1024 steps of one rollout (`num_envs` x `num_steps`)",
            ),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), message);
        }
        for key in ["num_steps", "num_epochs", "num_minibatches", "eval_episodes"] {
            assert!(read(&format!("{key} = 0")).is_err(), "{key}");
        }
        for key in ["entropy_weight", "value_weight", "adam_epsilon", "max_grad_norm"] {
            assert!(read(&format!("{key} = -1.0")).is_err(), "{key}");
        }
        assert!(read("num_steps = 1000000000000").is_err());
    }

    #[test]
    fn unknown_keys_and_names_are_refused_with_the_nearest() {
        let error = read("gama = 0.9").unwrap_err().to_string();
        assert!(error.starts_with("unknown key `gama` (did you mean `gamma`?); known are: "), "{error}");
        let error = read("algo = \"pppo\"").unwrap_err().to_string();
        assert!(error.contains("unknown algorithm `pppo` (did you mean `ppo`?)"), "{error}");
        let error = read("activation = \"tahn\"").unwrap_err().to_string();
        assert!(error.contains("tanh"), "{error}");
        let error = read("gamma = \"high\"").unwrap_err().to_string();
        assert!(error.starts_with("`gamma` = \"high\": "), "{error}");
        let error = read("num_envs = -1").unwrap_err().to_string();
        assert!(error.starts_with("`num_envs` = -1: "), "{error}");
    }
}
