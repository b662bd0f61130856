//! Grid search: every combination of the listed values.

use anyhow::{Result, bail};
use toml::{Table, Value};

use super::setting::{Settings, check_value, flat};

/// More trials than this are a mistake.
const MOST: usize = 10_000;

/// The values of each setting.
pub struct Grid(Vec<(String, Vec<Value>)>);

impl Grid {
    pub fn read(table: Table) -> Result<Self> {
        let mut axes = Vec::new();
        for (name, values) in flat(table, &|_| false) {
            let Value::Array(values) = values else {
                bail!(
                    "in [grid]: `{name}` is {values}; it must be a list of values, such as [{values}]; a setting with one \
                     value may also stand in [set]"
                );
            };
            if values.is_empty() {
                bail!("in [grid]: `{name}` is an empty list; give at least one value, or leave it out");
            }
            for (place, value) in values.iter().enumerate() {
                check_value("grid", &name, value)?;
                if values[..place].contains(value) {
                    bail!("in [grid]: `{name}` has the value {value} twice; leave out one of them");
                }
            }
            axes.push((name, values));
        }
        if axes.is_empty() {
            bail!("[grid] is empty; give it settings, such as learning_rate = [1e-3, 3e-4], or leave it out");
        }
        let count = axes.iter().try_fold(1, |count: usize, (_, values)| count.checked_mul(values.len()));
        if count.is_none_or(|count| count > MOST) {
            bail!("[grid] has more than {MOST} combinations; list fewer values, or search with [random]");
        }
        Ok(Self(axes))
    }

    pub fn names(&self) -> Vec<&String> {
        self.0.iter().map(|(name, _)| name).collect()
    }

    /// Returns every combination. The last setting in alphabetical order changes from each to the next.
    pub fn combinations(&self) -> Vec<Settings> {
        self.0.iter().fold(vec![Settings::new()], |combinations, (name, values)| {
            let with = |settings: &Settings, value: &Value| {
                let mut settings = settings.clone();
                settings.insert(name.clone(), value.clone());
                settings
            };
            combinations.iter().flat_map(|settings| values.iter().map(move |value| with(settings, value))).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::sweep::setting::shown;

    fn read(text: &str) -> Result<Grid> {
        Grid::read(text.parse().unwrap())
    }

    #[test]
    fn the_last_setting_changes_fastest() {
        let grid = read("gamma = [0.98, 0.99]\nalgorithm.clip_range = [0.1, 0.2, 0.3]").unwrap();
        let told: Vec<_> = grid
            .combinations()
            .iter()
            .map(|of| of.iter().map(|(name, value)| format!("{name}={}", shown(value))).collect())
            .collect();
        let told: Vec<String> = told.iter().map(|of: &Vec<String>| of.join(" ")).collect();
        assert_eq!(told.len(), 6);
        assert_eq!(
            told[..3],
            [
                "algorithm.clip_range=0.1 gamma=0.98",
                "algorithm.clip_range=0.1 gamma=0.99",
                "algorithm.clip_range=0.2 gamma=0.98"
            ]
        );
    }

    #[test]
    fn lists_of_sizes_are_values() {
        let grid = read("hidden_sizes = [[64, 64], [256]]\nactivation = ['tanh']").unwrap();
        assert_eq!(grid.combinations()[0]["hidden_sizes"].to_string(), "[64, 64]");
    }

    #[test]
    fn what_is_no_grid_is_refused() {
        for (text, message) in [
            ("", "[grid] is empty; give it settings, such as learning_rate = [1e-3, 3e-4], or leave it out"),
            ("gamma = []", "in [grid]: `gamma` is an empty list; give at least one value, or leave it out"),
            (
                "gamma = 0.9",
                "in [grid]: `gamma` is 0.9; it must be a list of values, such as [0.9]; a setting with one value may also \
                 stand in [set]",
            ),
            ("gamma = [0.9, 0.90]", "in [grid]: `gamma` has the value 0.9 twice; leave out one of them"),
            (
                "gamma = [{ a = 1 }]",
                "in [grid]: a value of `gamma` is { a = 1 }; it must be a number, a text, true, false, or a list of them",
            ),
        ] {
            assert_eq!(read(text).err().unwrap().to_string(), message);
        }
        let wide = |name: char| format!("{name} = {:?}\n", (0..30).collect::<Vec<_>>());
        let error = read(&"abc".chars().map(wide).collect::<String>()).err().unwrap().to_string();
        assert!(error.starts_with("[grid] has more than 10000 combinations"), "{error}");
    }
}
