//! The keys of a table in the sweep file, taken one by one.

use std::fmt::Display;

use anyhow::{Error, Result, anyhow};
use burn_pg::envs::UnknownName;
use toml::{Table, Value};

/// A table with known keys only.
pub struct Keys {
    /// The name of the table, such as `halving`; empty for the whole file.
    name: &'static str,
    table: Table,
}

impl Keys {
    /// Refuses a table with other keys than the `known` ones. This comes before any key is missed, because a misspelt key is the
    /// more likely mistake.
    pub fn new(name: &'static str, table: Table, known: &[&str]) -> Result<Self> {
        match table.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(Self { name, table }),
            Some(key) => Err(unknown(name, key, known)),
        }
    }

    pub fn take(&mut self, key: &'static str) -> Option<Value> {
        self.table.remove(key)
    }

    pub fn text(&mut self, key: &'static str) -> Result<Option<String>> {
        self.take_as(key, "a text, such as \"ppo\"", |value| value.as_str().map(Into::into))
    }

    pub fn table(&mut self, key: &'static str) -> Result<Option<Table>> {
        self.take_as(key, "a table, such as { gamma = 0.98 }", |value| value.as_table().cloned())
    }

    pub fn number(&mut self, key: &'static str) -> Result<Option<f64>> {
        self.take_as(key, "a number", |value| number(value).filter(|number| number.is_finite()))
    }

    /// Takes a whole number from `least`.
    pub fn count(&mut self, key: &'static str, least: u64) -> Result<Option<u64>> {
        self.take_as(key, format_args!("a whole number from {least}"), |value| {
            whole(value).filter(|&number| number >= least)
        })
    }

    /// Takes a value that `read` accepts; `expected` describes it.
    pub fn take_as<T>(
        &mut self,
        key: &'static str,
        expected: impl Display,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        read(&value).map(Some).ok_or_else(|| anyhow!("`{}` is {value}; it must be {expected}", self.path(key)))
    }

    fn path(&self, key: &str) -> String {
        path(self.name, key)
    }
}

fn path(table: &str, key: &str) -> String {
    if table.is_empty() { key.into() } else { format!("{table}.{key}") }
}

/// Returns the error for an unknown key of a table.
fn unknown(table: &str, key: &str, known: &[&str]) -> Error {
    let UnknownName { known, nearest, .. } = UnknownName::new("key", key, known.iter().copied());
    let meant = nearest.as_ref().map_or_else(String::new, |nearest| format!(" (did you mean `{nearest}`?)"));
    let hint = match table.is_empty() && nearest.is_none() {
        true => "; settings of the runs belong in [set], [grid] or [random.settings]",
        false => "",
    };
    anyhow!("unknown key `{}`{meant}; known are: {}{hint}", path(table, key), known.join(", "))
}

/// Returns a number that may be written without a decimal point.
pub fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64))
}

/// Returns a whole number, which may be written as `1e5`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // checked: whole, and within 53 bits
pub fn whole(value: &Value) -> Option<u64> {
    let of_float = |number: f64| ((0.0..9e15).contains(&number) && number.fract() == 0.0).then_some(number as u64);
    match value {
        Value::Integer(number) => u64::try_from(*number).ok(),
        Value::Float(number) => of_float(*number),
        _ => None,
    }
}
