//! Random search: settings drawn from distributions.

use std::fmt;

use anyhow::{Context, Result, bail};
use burn_pg::envs::EnvRng;
use toml::{Table, Value};

use super::{
    keys::{Keys, number},
    setting::{Settings, check_value, flat},
};

/// The names of the distributions.
const KINDS: [&str; 4] = ["uniform", "log_uniform", "int_uniform", "choice"];

/// Drawn numbers have this number of significant digits, so that they can be read and typed.
const DIGITS: usize = 4;

/// `[random]`
pub struct Random {
    trials: u32,
    seed: u64,
    settings: Vec<(String, Distribution)>,
}

#[derive(Debug, PartialEq)]
enum Distribution {
    Uniform(f64, f64),
    /// The logarithm is uniform.
    LogUniform(f64, f64),
    /// Whole numbers, both ends included.
    IntUniform(i64, u32),
    Choice(Vec<Value>),
}

impl Random {
    pub fn read(table: Table) -> Result<Self> {
        let mut keys = Keys::new("random", table, &["trials", "search_seed", "settings"])?;
        let trials = keys.take_as("trials", "a whole number from 1 to 10000", |value| {
            value.as_integer().and_then(|count| u32::try_from(count).ok()).filter(|count| (1..=10_000).contains(count))
        })?;
        let trials = trials.context("[random] has no `trials`; give the number of draws, such as trials = 20")?;
        let seed = keys.count("search_seed", 0)?.unwrap_or(0);
        let table = keys.table("settings")?.unwrap_or_default();
        let is_distribution = |table: &Table| KINDS.iter().any(|kind| table.contains_key(*kind));
        let mut settings = Vec::new();
        for (name, value) in flat(table, &is_distribution) {
            let drawn = Distribution::read(&name, &value).with_context(|| format!("in [random.settings]: `{name}`"))?;
            settings.push((name, drawn));
        }
        if settings.is_empty() {
            bail!(
                "[random] has no settings; give them in [random.settings], such as \
                 learning_rate = {{ log_uniform = [1e-4, 1e-2] }}"
            );
        }
        Ok(Self { trials, seed, settings })
    }

    pub fn names(&self) -> Vec<&String> {
        self.settings.iter().map(|(name, _)| name).collect()
    }

    /// Returns the settings of each trial. Each trial has its own stream of random numbers, so that more trials keep the
    /// earlier ones as they are.
    pub fn draws(&self) -> Vec<Settings> {
        let draw = |trial| {
            let mut rng = EnvRng::stream(self.seed, &[trial]);
            self.settings.iter().map(|(name, distribution)| (name.clone(), distribution.draw(&mut rng))).collect()
        };
        (0..self.trials).map(draw).collect()
    }
}

/// The values that a distribution is made of.
struct Expected(&'static str);

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = [low, high] with low below high", self.0)
    }
}

impl Distribution {
    fn read(name: &str, value: &Value) -> Result<Self> {
        let Some((kind, values)) =
            value.as_table().filter(|table| table.len() == 1).and_then(|table| table.iter().next())
        else {
            bail!(
                "is {value}; it must be one of {{ uniform = [low, high] }}, {{ log_uniform = [low, high] }}, \
                 {{ int_uniform = [low, high] }} and {{ choice = [a, b, ...] }}"
            );
        };
        let values = values.as_array().map(Vec::as_slice).unwrap_or_default();
        let ends = match values {
            [low, high] => number(low).zip(number(high)).filter(|(low, high)| low < high && (high - low).is_finite()),
            _ => None,
        };
        match (kind.as_str(), ends) {
            ("choice", _) if values.is_empty() => bail!("has no choice; it must be choice = [a, b, ...]"),
            ("choice", _) => {
                values.iter().try_for_each(|value| check_value("random.settings", name, value))?;
                Ok(Self::Choice(values.to_vec()))
            }
            ("uniform", Some((low, high))) => Ok(Self::Uniform(low, high)),
            ("uniform", None) => bail!("is {value}; it must be {}", Expected("uniform")),
            ("log_uniform", Some((low, high))) if low > 0.0 => Ok(Self::LogUniform(low, high)),
            ("log_uniform", _) => bail!("is {value}; it must be {}, both above 0", Expected("log_uniform")),
            _ => {
                let whole = match values {
                    [Value::Integer(low), Value::Integer(high)] if low < high => high
                        .checked_sub(*low)
                        .and_then(|width| u32::try_from(width).ok()?.checked_add(1))
                        .map(|count| Self::IntUniform(*low, count)),
                    _ => None,
                };
                whole.with_context(|| {
                    format!("is {value}; it must be {}, both whole numbers within 32 bits", Expected("int_uniform"))
                })
            }
        }
    }

    fn draw(&self, rng: &mut EnvRng) -> Value {
        match self {
            Self::Uniform(low, high) => rounded(rng.uniform(*low, *high), *low, *high),
            Self::LogUniform(low, high) => rounded(rng.uniform(low.ln(), high.ln()).exp(), *low, *high),
            Self::IntUniform(low, count) => Value::Integer(low + i64::from(rng.below(*count))),
            Self::Choice(values) => {
                let count = u32::try_from(values.len()).expect("a list in a file is short");
                values[rng.below(count) as usize].clone()
            }
        }
    }
}

/// Rounds to a few significant digits, within the ends.
fn rounded(number: f64, low: f64, high: f64) -> Value {
    let number: f64 = format!("{number:.*e}", DIGITS - 1).parse().expect("a number that was just written");
    Value::Float(number.clamp(low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Random> {
        Random::read(text.parse().unwrap())
    }

    const SETTINGS: &str = "
        search_seed = 3
        [settings]
        learning_rate = { log_uniform = [1e-4, 1e-2] }
        gae_lambda.uniform = [0.8, 1]
        num_envs = { choice = [4, 8, 16] }
        rollout.num_steps = { int_uniform = [5, 7] }";

    #[test]
    fn draws_repeat_and_more_trials_keep_the_earlier_ones() {
        let draws = |trials: u32| read(&format!("trials = {trials}\n{SETTINGS}")).unwrap().draws();
        assert_eq!(draws(50), draws(50));
        assert_eq!(draws(50)[..10], draws(10)[..]);
        assert_ne!(draws(2)[0], draws(2)[1]);
        for settings in draws(50) {
            assert!((1e-4..=1e-2).contains(&settings["learning_rate"].as_float().unwrap()));
            assert!((0.8..=1.0).contains(&settings["gae_lambda"].as_float().unwrap()));
            assert!([4, 8, 16].contains(&settings["num_envs"].as_integer().unwrap()));
            assert!((5..=7).contains(&settings["rollout.num_steps"].as_integer().unwrap()));
        }
    }

    #[test]
    fn the_logarithm_of_log_uniform_is_uniform() {
        let random = read("trials = 2000\nsettings = { a = { log_uniform = [1e-4, 1e-2] } }").unwrap();
        let below = random.draws().iter().filter(|settings| settings["a"].as_float().unwrap() < 1e-3).count();
        assert!((900..1100).contains(&below), "{below}");
    }

    #[test]
    fn drawn_numbers_are_short() {
        assert_eq!(rounded(0.000_123_456, 1e-4, 1.0), Value::Float(0.000_123_5));
        assert_eq!(rounded(0.999_99, 0.0, 0.999_99), Value::Float(0.999_99));
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        for (text, message) in [
            ("", "[random] has no `trials`; give the number of draws, such as trials = 20"),
            ("trials = 0", "`random.trials` is 0; it must be a whole number from 1 to 10000"),
            (
                "trials = 1",
                "[random] has no settings; give them in [random.settings], such as learning_rate = { log_uniform = [1e-4, 1e-2] }",
            ),
            ("trials = 1\nseed = 3", "unknown key `random.seed`; known are: trials, search_seed, settings"),
        ] {
            assert_eq!(read(text).err().unwrap().to_string(), message);
        }
        for (given, told) in [
            ("{ uniform = [1, 0] }", "is { uniform = [1, 0] }; it must be uniform = [low, high] with low below high"),
            (
                "{ log_uniform = [0, 1] }",
                "is { log_uniform = [0, 1] }; it must be log_uniform = [low, high] with low below high, both above 0",
            ),
            (
                "{ int_uniform = [0.5, 1] }",
                "is { int_uniform = [0.5, 1] }; it must be int_uniform = [low, high] with low below high, both whole numbers \
                 within 32 bits",
            ),
            ("{ choice = [] }", "has no choice; it must be choice = [a, b, ...]"),
            (
                "[1, 2]",
                "is [1, 2]; it must be one of { uniform = [low, high] }, { log_uniform = [low, high] }, { int_uniform = [low, \
                 high] } and { choice = [a, b, ...] }",
            ),
        ] {
            let error = read(&format!("trials = 1\nsettings = {{ gamma = {given} }}")).err().unwrap();
            assert_eq!(format!("{error:#}"), format!("in [random.settings]: `gamma`: {told}"));
        }
    }
}
