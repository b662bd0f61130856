//! Numbers that change while training goes on.

use std::{f64::consts::PI, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

/// A number as a function of the progress of training: a learning rate, a clip range, the weight of the entropy.
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
    /// Always the same.
    Constant {
        /// The value.
        value: f64,
    },
    /// From `start` in a straight line to `end`.
    Linear {
        /// The value at the beginning.
        start: f64,
        /// The value at the end of training. Default 0.
        end: f64,
    },
    /// From `start` to `end` along half a wave of the cosine: slowly at first, fastest in the middle, slowly at last.
    ///
    /// Source: I. Loshchilov, F. Hutter, *SGDR: stochastic gradient descent with warm restarts* (2017), without restarts.
    Cosine {
        /// The value at the beginning.
        start: f64,
        /// The value at the end of training. Default 0.
        end: f64,
    },
}

impl Schedule {
    /// The value once `progress` of training is over, from 0 to 1:
    ///
    /// ```text
    /// linear:  start + (end - start) progress
    /// cosine:  start + (end - start) (1 - cos(pi progress)) / 2
    /// ```
    ///
    /// The first update of a run has progress 0, and so the start; the last of n has 1 - 1/n, short of the end by the last
    /// bit of the way, as in CleanRL. Past 1 the value is the end.
    #[must_use]
    pub fn at(self, progress: f64) -> f64 {
        let left = (1.0 - progress).max(0.0);
        match self {
            Self::Constant { value } => value,
            Self::Linear { start, end } => between(start, end, left),
            Self::Cosine { start, end } => between(start, end, 0.5 * (1.0 - (PI * left).cos())),
        }
    }

    /// The values at the two ends, between which all others lie.
    #[must_use]
    pub fn ends(self) -> [f64; 2] {
        match self {
            Self::Constant { value } => [value, value],
            Self::Linear { start, end } | Self::Cosine { start, end } => [start, end],
        }
    }

    /// Is it finite, and more than 0 as long as the end is not reached? There it may be 0.
    pub(crate) fn is_positive_before_its_end(self) -> bool {
        let [start, end] = self.ends();
        start.is_finite() && start > 0.0 && end.is_finite() && end >= 0.0
    }
}

impl From<f64> for Schedule {
    /// Always the same.
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

/// Exactly `start` where all of the way is left, and exactly `end` where nothing is.
fn between(start: f64, end: f64, left: f64) -> f64 {
    start * left + end * (1.0 - left)
}

/// How a schedule is written as a table.
#[derive(Serialize, Deserialize)]
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

/// An untagged enum would do the same, but could not say what is wrong with a table.
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
