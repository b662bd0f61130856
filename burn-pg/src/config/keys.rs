//! The names of the settings, and their names in other programs.

use burn_pg_envs::UnknownName;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, Visitor, value::Error},
    forward_to_deserialize_any,
};

use super::{Config, ConfigError};

/// Names of our keys in other programs.
const ALIASES: [(&str, &str); 33] = [
    ("adam_epsilon", "optimiser"),
    ("anneal_learning_rate", "learning_rate"),
    ("anneal_lr", "learning_rate"),
    ("batch_size", "num_minibatches"),
    ("cg_damping", "trust_region"),
    ("cg_max_steps", "trust_region"),
    ("clip", "clip_range"),
    ("clip_coef", "clip_range"),
    ("clip_range_vf", "clip_value"),
    ("clip_vloss", "clip_value"),
    ("ent_coef", "entropy_weight"),
    ("entropy_coef", "entropy_weight"),
    ("env_id", "env"),
    ("lambda", "gae_lambda"),
    ("log_std_init", "exploration"),
    ("lr", "learning_rate"),
    ("max_kl", "trust_region"),
    ("minibatch_size", "num_minibatches"),
    ("n_critic_updates", "num_epochs"),
    ("n_envs", "num_envs"),
    ("n_epochs", "num_epochs"),
    ("n_steps", "num_steps"),
    ("net_arch", "hidden_sizes"),
    ("norm_adv", "normalize_advantages"),
    ("normalize", "normalize_observations"),
    ("optimizer", "optimiser"),
    ("sde_sample_freq", "exploration"),
    ("timesteps", "total_steps"),
    ("total_timesteps", "total_steps"),
    ("update_epochs", "num_epochs"),
    ("use_sde", "exploration"),
    ("value_coef", "value_weight"),
    ("vf_coef", "value_weight"),
];

impl Config {
    /// Returns the names of all settings, in the order of the fields. Optional settings are included, even those that
    /// [`to_toml`](Self::to_toml) leaves out.
    #[must_use]
    pub fn keys() -> &'static [&'static str] {
        let mut names = Names(&[]);
        // `Names` only records the names, and then returns an error.
        let _ = Self::deserialize(&mut names);
        names.0
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
        Err(match ALIASES.iter().find(|(alias, _)| alias == key) {
            Some((_, meant)) => unknown.meaning(meant),
            None => unknown,
        }
        .into())
    }
}

/// A deserialiser that reads nothing, but records the names of the fields of a struct.
struct Names(&'static [&'static str]);

impl<'de> Deserializer<'de> for &mut Names {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.0 = fields;
        nothing()
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        nothing()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn nothing<T>() -> Result<T, Error> {
    Err(Error::custom("there is nothing to read"))
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
        assert!(error.starts_with("unknown key `gama` (did you mean `gamma`?); known are: "), "{error}");
        for (alias, key) in ALIASES {
            assert!(Config::keys().contains(&key), "{key}");
            let error = read(&format!("{alias} = 1")).unwrap_err().to_string();
            assert!(error.contains(&format!("`{alias}` (did you mean `{key}`?)")), "{error}");
        }
    }
}
