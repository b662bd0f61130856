//! Settings of the environments.

use std::path::PathBuf;

use burn_pg_envs::{EnvError, EnvOptions, EnvSpec, EnvWrapper, VectorEnv, make_with, spec_with};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use toml::Table;

/// The environments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EnvConfig {
    /// Environment, by its registered name, or one of Python: `gym:LunarLander-v3`, `envpool:Pong-v5`, `ale:pong`. Default
    /// `CartPole-v1`.
    pub name: String,
    /// Environments stepped as one batch, 1 to 1,048,576. Default 8.
    pub num_envs: usize,
    /// Shift and scale observations by their running mean and standard deviation. Default false.
    pub normalize_observations: bool,
    /// Divide rewards by the running standard deviation of the discounted return. Default false.
    pub normalize_rewards: bool,
    /// Arguments of the maker of an environment of Python, such as `{ gravity = -9.0 }`. Default none.
    #[serde(skip_serializing_if = "Table::is_empty")]
    #[schemars(schema_with = "any_table")]
    pub kwargs: Table,
    /// Wrappers around an environment of Python, the innermost first: classes of `gymnasium.wrappers`, or of any module as
    /// `module:Class`, or tables such as `{ name = "TimeLimit", kwargs = { max_episode_steps = 100 } }`. Default none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "any_list")]
    pub wrappers: Vec<EnvWrapper>,
    /// The Python that runs the environment: a path, or a name on `PATH`. Default: that of `BURN_PG_PYTHON`, of the active
    /// virtual environment, or of the one that this program is installed in, or else `python3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub python: Option<String>,
    /// Processes that step environments of Python, at least 1, and at most one for each environment. Default: one per core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<usize>,
    /// File to which all is appended that environments of Python print. Default: a temporary file, which stays only if
    /// an error names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<PathBuf>,
    /// Seconds after which a step of a process of Python counts as hanging, above 0. Default: 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
}

/// A table whose settings belong to somebody else.
fn any_table(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "open": true })
}

/// A list whose items belong to somebody else.
fn any_list(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "open": true } })
}

impl EnvConfig {
    /// Returns what the environments are made with besides their name.
    #[must_use]
    pub fn options(&self) -> EnvOptions {
        let kwargs = self.kwargs.iter().map(|(name, value)| {
            (name.clone(), serde_json::to_value(value).expect("values of TOML are values of JSON"))
        });
        EnvOptions {
            kwargs: kwargs.collect(),
            wrappers: self.wrappers.clone(),
            python: self.python.clone(),
            workers: self.workers,
            timeout: self.timeout,
            log: self.log.clone(),
            ..EnvOptions::default()
        }
    }

    /// Makes `num_envs` of the environments.
    ///
    /// # Errors
    /// As [`make_with`].
    pub fn make(&self, num_envs: usize) -> Result<Box<dyn VectorEnv>, EnvError> {
        make_with(&self.name, num_envs, &self.options())
    }

    /// Returns the specification of the environments.
    ///
    /// # Errors
    /// As [`spec_with`].
    pub fn spec(&self) -> Result<EnvSpec, EnvError> {
        spec_with(&self.name, &self.options())
    }
}

impl Default for EnvConfig {
    fn default() -> Self {
        Self {
            name: "CartPole-v1".into(),
            num_envs: 8,
            normalize_observations: false,
            normalize_rewards: false,
            kwargs: Table::new(),
            wrappers: Vec::new(),
            python: None,
            workers: None,
            log: None,
            timeout: None,
        }
    }
}
