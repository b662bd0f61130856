//! Settings in the tables `[set]`, `[grid]` and `[random.settings]`.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use burn_pg::config::full_key;
use toml::{Table, Value};

/// Settings by their names, as in `--set`: `gamma` or `algorithm.gamma`.
pub type Settings = BTreeMap<String, Value>;

/// Settings that the sweep itself gives to each run, with what to do instead.
const OF_THE_SWEEP: [(&str, &str); 3] = [
    ("run.seed", "give `seeds` instead"),
    ("env.name", "give `env`, or `runs` for several environments, instead"),
    ("run.threads", "each run has one thread, and `jobs` is the number of runs at a time"),
];

/// Returns a table by dotted names: `checkpoint.interval = 10` in TOML is a table in a table. A table for which `is_value`
/// is true stays whole.
pub fn flat(table: Table, is_value: &dyn Fn(&Table) -> bool) -> Settings {
    let mut settings = Settings::new();
    for (name, value) in table {
        match value {
            Value::Table(inner) if !is_value(&inner) => {
                let inner = flat(inner, is_value).into_iter();
                settings.extend(inner.map(|(key, value)| (format!("{name}.{key}"), value)));
            }
            value => _ = settings.insert(name, value),
        }
    }
    settings
}

/// Refuses names that do not exist, settings that the sweep gives, and settings that are given twice, also under two names
/// (`gamma` and `algorithm.gamma`). `tables` are the names of the tables and of their settings.
pub fn check_names<'a>(tables: impl IntoIterator<Item = (&'static str, Vec<&'a String>)>) -> Result<()> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (table, names) in tables {
        for name in names {
            let full = full_key(name).with_context(|| format!("in [{table}]"))?;
            if let Some((_, instead)) = OF_THE_SWEEP.iter().find(|(key, _)| *key == full) {
                bail!("in [{table}]: `{name}` cannot be set for a sweep; {instead}");
            }
            match seen.insert(full, table) {
                Some(other) if other == table => bail!("in [{table}]: `{name}` is given twice; leave out one of them"),
                Some(other) => {
                    bail!("`{name}` is given in [{other}] and in [{table}]; leave out one of them")
                }
                None => {}
            }
        }
    }
    Ok(())
}

/// Refuses a value that is neither a number, a text, a truth value nor a list of them.
pub fn check_value(table: &str, name: &str, value: &Value) -> Result<()> {
    let is_plain = match value {
        Value::Array(values) => return values.iter().try_for_each(|value| check_value(table, name, value)),
        Value::Table(_) | Value::Datetime(_) => false,
        Value::Float(number) => number.is_finite(),
        _ => true,
    };
    if !is_plain {
        bail!(
            "in [{table}]: a value of `{name}` is {value}; it must be a number, a text, true, false, or a list of them"
        );
    }
    Ok(())
}

/// Returns a value as `--set` reads it.
pub fn argument(name: &str, value: &Value) -> String {
    format!("{name}={value}")
}

/// Returns a value as people read it: a text without quotes.
pub fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_names_and_nested_tables_are_the_same() {
        let settings = |text: &str| flat(text.parse().unwrap(), &|_| false);
        let expected = Settings::from([("checkpoint.interval".into(), 10.into()), ("gamma".into(), 0.9.into())]);
        assert_eq!(settings("gamma = 0.9\ncheckpoint.interval = 10"), expected);
        assert_eq!(settings("gamma = 0.9\n[checkpoint]\ninterval = 10"), expected);
    }

    #[test]
    fn a_setting_is_given_once_under_any_of_its_names() {
        let check = |a: &str, b: &str| {
            let names = [a, b].map(String::from);
            check_names([("set", vec![&names[0]]), ("grid", vec![&names[1]])]).map_err(|error| format!("{error:#}"))
        };
        assert_eq!(check("gamma", "learning_rate"), Ok(()));
        for (a, b, message) in [
            ("gamma", "algorithm.gamma", "`algorithm.gamma` is given in [set] and in [grid]; leave out one of them"),
            ("gama", "gamma", "in [set]: there is no setting `gama`; did you mean `algorithm.gamma`?"),
            ("gamma", "seed", "in [grid]: `seed` cannot be set for a sweep; give `seeds` instead"),
        ] {
            assert_eq!(check(a, b).unwrap_err(), message);
        }
    }
}
