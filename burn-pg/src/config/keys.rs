//! The names of the settings, and their names in other programs.

use std::fmt;

use burn_pg_envs::UnknownName;
use serde::{Deserialize, de::value::MapDeserializer};

use super::{Config, ConfigError};

/// Our keys, with their names in other programs.
const ALIASES: [(&str, &[&str]); 18] = [
    ("clip_range", &["clip", "clip_coef"]),
    ("clip_value", &["clip_range_vf", "clip_vloss"]),
    ("entropy_weight", &["ent_coef", "entropy_coef"]),
    ("env", &["env_id"]),
    ("exploration", &["log_std_init", "sde_sample_freq", "use_sde"]),
    ("gae_lambda", &["lambda"]),
    ("hidden_sizes", &["net_arch"]),
    ("learning_rate", &["anneal_learning_rate", "anneal_lr", "lr"]),
    ("normalize_advantages", &["norm_adv"]),
    ("normalize_observations", &["normalize"]),
    ("num_envs", &["n_envs"]),
    ("num_epochs", &["n_critic_updates", "n_epochs", "update_epochs"]),
    ("num_minibatches", &["batch_size", "minibatch_size"]),
    ("num_steps", &["n_steps"]),
    ("optimiser", &["adam_epsilon", "optimizer"]),
    ("total_steps", &["timesteps", "total_timesteps"]),
    ("trust_region", &["cg_damping", "cg_max_steps", "max_kl"]),
    ("value_weight", &["value_coef", "vf_coef"]),
];

impl Config {
    /// Returns the names of all settings, in the order of the fields. Optional settings are included, even those that
    /// [`to_toml`](Self::to_toml) leaves out.
    #[must_use]
    pub fn keys() -> &'static [&'static str] {
        let unknown = MapDeserializer::<_, Fields>::new([("", "")].into_iter());
        Self::deserialize(unknown).expect_err("the empty name is no field").0
    }

    /// Checks that all keys exist.
    ///
    /// # Errors
    /// [`ConfigError::UnknownKey`] for the first key that does not, with the nearest existing key.
    pub fn check_keys(table: &toml::Table) -> Result<(), ConfigError> {
        let Some(key) = table.keys().find(|key| !Self::keys().contains(&key.as_str())) else {
            return Ok(());
        };
        let unknown = UnknownName::new("key", key, Self::keys().iter().copied());
        Err(match ALIASES.iter().find(|(_, aliases)| aliases.contains(&key.as_str())) {
            Some((meant, _)) => unknown.meaning(meant),
            None => unknown,
        }
        .into())
    }
}

/// The names of all fields of a struct: what serde says in its error about a field that does not exist.
#[derive(Debug, thiserror::Error)]
#[error("the fields are {0:?}")]
struct Fields(&'static [&'static str]);

impl serde::de::Error for Fields {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }

    fn unknown_field(_: &str, fields: &'static [&'static str]) -> Self {
        Self(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        advantage::EstimatorSpec,
        config::read,
        loss::{LossSpec, TermSpec},
    };

    #[test]
    fn every_setting_that_can_be_written_is_known() {
        let full = Config {
            micro_batch_size: Some(64),
            block_size: Some(8),
            target_return: Some(475.0),
            estimator: Some(EstimatorSpec::Gae { lambda: 0.9 }),
            loss: vec![LossSpec { weight: 1.0.into(), term: TermSpec::Entropy {} }],
            ..Config::default()
        };
        let written = toml::Table::try_from(full).unwrap();
        let mut keys = Config::keys().to_vec();
        keys.sort_unstable();
        assert!(written.keys().eq(keys), "{written}");
        assert_eq!(&Config::keys()[..3], ["env", "algo", "seed"]);
    }

    #[test]
    fn unknown_keys_are_refused_with_the_nearest() {
        let error = read("gama = 0.9").unwrap_err().to_string();
        assert!(error.starts_with("unknown key `gama` (did you mean `gamma`?)"), "{error}");
        for (alias, key) in ALIASES.iter().flat_map(|(key, aliases)| aliases.iter().map(move |alias| (alias, key))) {
            assert!(Config::keys().contains(key), "{key}");
            let error = read(&format!("{alias} = 1")).unwrap_err().to_string();
            assert!(error.contains(&format!("`{alias}` (did you mean `{key}`?)")), "{error}");
        }
    }
}
