//! The names of the settings.

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, Visitor, value::Error},
    forward_to_deserialize_any,
};

use super::Config;

impl Config {
    /// The names of all settings, in the order of the fields: those that a configuration is read from, so that none is
    /// missing, even if it is left out where a configuration is written.
    #[must_use]
    pub fn keys() -> &'static [&'static str] {
        let mut names = Names(&[]);
        // Nothing is read: what comes back is an error.
        let _ = Self::deserialize(&mut names);
        names.0
    }
}

/// Takes down the names of the fields that a struct asks for.
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
}
