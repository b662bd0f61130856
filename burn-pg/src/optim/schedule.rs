//! Values that change during training.

use std::{borrow::Cow, f64::consts::PI, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

/// A value as a function of the progress of training: a learning rate, a clip range, the weight of the entropy.
///
/// In a configuration a plain number is a constant, and anything else is a table:
///
/// ```
/// use burn_pg::optim::Schedule;
///
/// #[derive(serde::Deserialize)]
/// struct Rates { clip_range: Schedule, learning_rate: Schedule }
///
/// let rates: Rates = toml::from_str("clip_range = 0.2\nlearning_rate = { kind = 'linear', start = 2.5e-4 }")?;
/// assert_eq!(rates.clip_range, Schedule::Constant { value: 0.2 });
/// assert_eq!(rates.learning_rate.at(0.5), 1.25e-4);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Schedule {
    /// A constant value.
    Constant {
        /// The value.
        value: f64,
    },
    /// From `start` to `end` in a straight line.
    Linear {
        /// The value at the beginning.
        start: f64,
        /// The value at the end of training. Default 0.
        end: f64,
    },
    /// From `start` to `end` along half a cosine wave: slow at first, fastest in the middle, slow at the end.
    ///
    /// Source: I. Loshchilov, F. Hutter, *SGDR: stochastic gradient descent with warm restarts* (2017), without
    /// restarts.
    Cosine {
        /// The value at the beginning.
        start: f64,
        /// The value at the end of training. Default 0.
        end: f64,
    },
}

impl Schedule {
    /// Returns the value at `progress`, the share of training that is over, 0 to 1:
    ///
    /// ```text
    /// linear:  start + (end - start) progress
    /// cosine:  start + (end - start) (1 - cos(pi progress)) / 2
    /// ```
    ///
    /// The first update of a run has progress 0, so it gets `start`. The last of n updates has progress 1 - 1/n, so it
    /// gets a value just short of `end`, as in CleanRL. Beyond 1 the value is `end`.
    #[must_use]
    pub fn at(self, progress: f64) -> f64 {
        let left = (1.0 - progress).max(0.0);
        match self {
            Self::Constant { value } => value,
            Self::Linear { start, end } => between(start, end, left),
            Self::Cosine { start, end } => between(start, end, 0.5 * (1.0 - (PI * left).cos())),
        }
    }

    /// Returns the values at the start and at the end; all others lie between them.
    #[must_use]
    pub fn ends(self) -> [f64; 2] {
        match self {
            Self::Constant { value } => [value, value],
            Self::Linear { start, end } | Self::Cosine { start, end } => [start, end],
        }
    }

    /// True if the value is finite and more than 0 before the end of training; at the end it may be 0.
    pub(crate) fn is_positive_before_its_end(self) -> bool {
        let [start, end] = self.ends();
        start.is_finite() && start > 0.0 && end.is_finite() && end >= 0.0
    }
}

impl From<f64> for Schedule {
    /// Creates a constant schedule.
    fn from(value: f64) -> Self {
        Self::Constant { value }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant { value } => value.fmt(f),
            Self::Linear { start, end } | Self::Cosine { start, end } => write!(f, "{start} to {end}"),
        }
    }
}

/// Interpolates linearly. Gives exactly `start` at `left` = 1, and exactly `end` at `left` = 0.
fn between(start: f64, end: f64, left: f64) -> f64 {
    start * left + end * (1.0 - left)
}

/// The form of a schedule as a table.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Schedule", tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum Table {
    Constant {
        value: f64,
    },
    Linear {
        start: f64,
        #[serde(default)]
        end: f64,
    },
    Cosine {
        start: f64,
        #[serde(default)]
        end: f64,
    },
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Constant { value } => serializer.serialize_f64(*value),
            table => Table::serialize(table, serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrTable)
    }
}

impl JsonSchema for Schedule {
    fn schema_name() -> Cow<'static, str> {
        "Schedule".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "number" }, Table::json_schema(generator)] })
    }
}

/// Reads a number or a table. An untagged enum would do the same, but its error would not say what is wrong with a
/// table.
struct NumberOrTable;

impl<'de> Visitor<'de> for NumberOrTable {
    type Value = Schedule;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or a table whose `kind` is `constant`, `linear` or `cosine`")
    }

    fn visit_f64<E>(self, value: f64) -> Result<Schedule, E> {
        Ok(Schedule::Constant { value })
    }

    fn visit_i64<E>(self, value: i64) -> Result<Schedule, E> {
        Ok(Schedule::Constant { value: value as f64 })
    }

    fn visit_u64<E>(self, value: u64) -> Result<Schedule, E> {
        Ok(Schedule::Constant { value: value as f64 })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Schedule, A::Error> {
        Table::deserialize(MapAccessDeserializer::new(map))
    }
}
