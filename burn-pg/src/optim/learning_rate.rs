//! Learning rates: functions of the progress of training, or adapted to the KL divergence of each pass.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::Schedule;

/// A learning rate.
///
/// ```
/// use burn_pg::optim::{KlAdaptiveRate, LearningRate};
///
/// #[derive(serde::Deserialize)]
/// struct Rates { policy: LearningRate, critic: LearningRate }
///
/// let rates: Rates = toml::from_str("policy = { kind = 'kl', start = 3e-4, desired_kl = 0.01 }\ncritic = 1e-3")?;
/// assert_eq!(rates.policy, LearningRate::Kl(KlAdaptiveRate { start: 3e-4, desired_kl: 0.01, min: 1e-5, max: 1e-2 }));
/// assert_eq!(rates.critic, LearningRate::from(1e-3));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LearningRate {
    /// A function of the progress of training.
    Scheduled(Schedule),
    /// Adapted after each pass over the samples, to its KL divergence.
    Kl(KlAdaptiveRate),
}

/// A learning rate that follows the KL divergence of the policy from the one that took the actions. After each pass over
/// the samples of a rollout, with the mean `approx_kl` of the pass,
///
/// ```text
/// rate <- max(rate / 1.5, min)   if approx_kl > 2 desired_kl
///         min(1.5 rate, max)     if approx_kl < desired_kl / 2
/// ```
///
/// The rate is not changed between rollouts.
///
/// Sources: N. Rudin, D. Hoeller, P. Reist, M. Hutter, *Learning to walk in minutes using massively parallel deep
/// reinforcement learning* (2021), and its library rsl_rl, which adapts the rate before each minibatch; skrl's
/// `KLAdaptiveLR` and the `standard` schedule of rl_games adapt it after each pass, as here. The comparison with twice and
/// half a target comes from the adaptive penalty of J. Schulman and others, *Proximal policy optimization algorithms*
/// (2017).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KlAdaptiveRate {
    /// The rate of the first pass, between `min` and `max`.
    pub start: f64,
    /// The KL divergence of a pass, in nats, at which the rate remains as it is.
    pub desired_kl: f64,
    /// The lowest rate, more than 0.
    pub min: f64,
    /// The highest rate.
    pub max: f64,
}

impl KlAdaptiveRate {
    /// The factor of a change of the rate.
    const FACTOR: f64 = 1.5;
    /// The lowest rate, unless a configuration has another one.
    const MIN: f64 = 1e-5;
    /// The highest rate, unless a configuration has another one.
    const MAX: f64 = 1e-2;

    /// Returns the rate after a pass with the rate `rate`, whose mean KL divergence was `kl`. A `kl` that is NaN leaves the
    /// rate unchanged.
    #[must_use]
    pub fn after(&self, rate: f64, kl: f64) -> f64 {
        match kl {
            _ if kl > 2.0 * self.desired_kl => (rate / Self::FACTOR).max(self.min),
            _ if kl < 0.5 * self.desired_kl => (rate * Self::FACTOR).min(self.max),
            _ => rate,
        }
    }

    /// Returns the first setting that is out of range, with its value and the range.
    pub(crate) fn fault(&self) -> Option<(&'static str, f64, &'static str)> {
        let Self { start, desired_kl, min, max } = *self;
        let is_positive = |value: f64| value.is_finite() && value > 0.0;
        [
            ("desired_kl", desired_kl, is_positive(desired_kl), "more than 0"),
            ("min", min, is_positive(min), "more than 0"),
            ("max", max, max.is_finite() && max >= min, "at least `min`"),
            ("start", start, (min..=max).contains(&start), "between `min` and `max`"),
        ]
        .into_iter()
        .find_map(|(name, value, holds, range)| (!holds).then_some((name, value, range)))
    }
}

impl LearningRate {
    /// Returns the rate at `progress`, the share of training that is over; or `adapted`, the rate after the last pass, if
    /// the rate is adapted and there was one.
    #[must_use]
    pub fn at(self, progress: f64, adapted: Option<f64>) -> f64 {
        match self {
            Self::Scheduled(schedule) => schedule.at(progress),
            Self::Kl(rate) => adapted.unwrap_or(rate.start),
        }
    }
}

impl From<Schedule> for LearningRate {
    fn from(schedule: Schedule) -> Self {
        Self::Scheduled(schedule)
    }
}

impl From<f64> for LearningRate {
    /// Creates a constant rate.
    fn from(value: f64) -> Self {
        Self::Scheduled(value.into())
    }
}

impl fmt::Display for LearningRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheduled(schedule) => schedule.fmt(f),
            Self::Kl(rate) => write!(f, "adapted to a KL divergence of {}", rate.desired_kl),
        }
    }
}

/// The form of a learning rate as a table.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
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
    Kl {
        start: f64,
        desired_kl: f64,
        #[serde(default = "lowest")]
        min: f64,
        #[serde(default = "highest")]
        max: f64,
    },
}

fn lowest() -> f64 {
    KlAdaptiveRate::MIN
}

fn highest() -> f64 {
    KlAdaptiveRate::MAX
}

impl From<Table> for LearningRate {
    fn from(table: Table) -> Self {
        match table {
            Table::Constant { value } => Schedule::Constant { value }.into(),
            Table::Linear { start, end } => Schedule::Linear { start, end }.into(),
            Table::Cosine { start, end } => Schedule::Cosine { start, end }.into(),
            Table::Kl { start, desired_kl, min, max } => Self::Kl(KlAdaptiveRate { start, desired_kl, min, max }),
        }
    }
}

impl Serialize for LearningRate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Scheduled(schedule) => schedule.serialize(serializer),
            Self::Kl(KlAdaptiveRate { start, desired_kl, min, max }) => {
                Table::Kl { start, desired_kl, min, max }.serialize(serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for LearningRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrTable)
    }
}

impl JsonSchema for LearningRate {
    fn schema_name() -> Cow<'static, str> {
        "LearningRate".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "number" }, Table::json_schema(generator)] })
    }
}

/// Reads a number or a table. An untagged enum would do the same, but its error would not say what is wrong with a
/// table.
struct NumberOrTable;

impl<'de> Visitor<'de> for NumberOrTable {
    type Value = LearningRate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or a table whose `kind` is `constant`, `linear`, `cosine` or `kl`")
    }

    fn visit_f64<E>(self, value: f64) -> Result<LearningRate, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<LearningRate, E> {
        Ok((value as f64).into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<LearningRate, E> {
        Ok((value as f64).into())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<LearningRate, A::Error> {
        Table::deserialize(MapAccessDeserializer::new(map)).map(Into::into)
    }
}
