//! The keys of a table in the sweep file, taken one by one.

use std::fmt::Display;

use anyhow::{Result, anyhow, bail};
use burn_pg::envs::UnknownName;
use toml::{Table, Value};

/// A table from which each known key is taken. What remains at the end is unknown.
pub struct Keys {
    /// The name of the table, such as `halving`; empty for the whole file.
    name: String,
    table: Table,
    known: Vec<&'static str>,
}

impl Keys {
    pub fn new(name: &str, table: Table) -> Self {
        Self { name: name.into(), table, known: Vec::new() }
    }

    pub fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
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

    /// Refuses the keys that were not taken.
    pub fn finish(self) -> Result<()> {
        let Some(key) = self.table.keys().next() else { return Ok(()) };
        let UnknownName { known, nearest, .. } = UnknownName::new("key", key, self.known);
        let meant = nearest.as_ref().map_or_else(String::new, |nearest| format!(" (did you mean `{nearest}`?)"));
        let hint = match self.name.is_empty() && nearest.is_none() {
            true => "; settings of the runs belong in [set], [grid] or [random.settings]",
            false => "",
        };
        let key = match self.name.as_str() {
            "" => key.clone(),
            name => format!("{name}.{key}"),
        };
        bail!("unknown key `{key}`{meant}; known are: {}{hint}", known.join(", "));
    }

    fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.into() } else { format!("{}.{key}", self.name) }
    }
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
