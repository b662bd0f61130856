//! Spaces of observations and of actions.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The set an observation or an action is taken from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Space {
    /// The integers `start..start + n`. Batches of actions count them from 0.
    Discrete {
        /// Number of elements, at least 1.
        n: u32,
        /// The first element.
        start: i32,
    },
    /// Several discrete components, each counted from 0.
    MultiDiscrete {
        /// Number of elements of each component.
        sizes: Vec<u32>,
    },
    /// Several components that are each true or false.
    MultiBinary {
        /// Number of components.
        n: u32,
    },
    /// A box in R^n, flattened in row-major order. A bound may be infinite.
    Box {
        /// Lower bound of each element.
        #[serde(with = "bounds")]
        low: Vec<f32>,
        /// Upper bound of each element.
        #[serde(with = "bounds")]
        high: Vec<f32>,
        /// Shape before flattening.
        shape: Vec<usize>,
    },
}

impl Space {
    /// A one-dimensional box with the bounds `-high..=high`.
    #[must_use]
    pub fn symmetric(high: &[f32]) -> Self {
        Self::Box { low: high.iter().map(|h| -h).collect(), high: high.to_vec(), shape: vec![high.len()] }
    }

    /// The integers `0..n`.
    #[must_use]
    pub fn discrete(n: u32) -> Self {
        Self::Discrete { n, start: 0 }
    }

    /// What is wrong with it, if anything is.
    pub(crate) fn contradiction(&self) -> Option<&'static str> {
        let ordered = |low: &[f32], high: &[f32]| low.iter().zip(high).all(|(low, high)| low <= high);
        match self {
            Self::Discrete { n: 0, .. } | Self::MultiBinary { n: 0 } => Some("has no elements"),
            Self::MultiDiscrete { sizes } if sizes.is_empty() || sizes.contains(&0) => Some("has no elements"),
            Self::Box { low, .. } if low.is_empty() => Some("has no dimensions"),
            Self::Box { low, high, .. } if low.len() != high.len() => {
                Some("has not as many lower bounds as upper ones")
            }
            Self::Box { low, high, .. } if !ordered(low, high) => Some("has a lower bound above the upper one"),
            Self::Box { low, shape, .. } if shape.iter().product::<usize>() != low.len() => {
                Some("has not as many bounds as its shape has elements")
            }
            _ => None,
        }
    }

    /// Number of flags that say which elements are possible: one for each element of a discrete space, or of each component of
    /// a multi-discrete one. Other spaces are not masked.
    #[must_use]
    pub fn mask_len(&self) -> usize {
        match self {
            Self::Discrete { n, .. } => *n as usize,
            Self::MultiDiscrete { sizes } => sizes.iter().map(|&n| n as usize).sum(),
            Self::MultiBinary { .. } | Self::Box { .. } => 0,
        }
    }

    /// Number of `f32` (or integers) one element takes when flattened.
    #[must_use]
    pub fn flat_len(&self) -> usize {
        match self {
            Self::Discrete { .. } => 1,
            Self::MultiDiscrete { sizes } => sizes.len(),
            Self::MultiBinary { n } => *n as usize,
            Self::Box { low, .. } => low.len(),
        }
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discrete { n, start: 0 } => write!(f, "Discrete({n})"),
            Self::Discrete { n, start } => write!(f, "Discrete({n}, start {start})"),
            Self::MultiDiscrete { sizes } => write!(f, "MultiDiscrete{sizes:?}"),
            Self::MultiBinary { n } => write!(f, "MultiBinary({n})"),
            Self::Box { shape, .. } => write!(f, "Box{shape:?}"),
        }
    }
}

/// Bounds as numbers, with infinite ones by name: JSON has no infinity.
pub(crate) mod bounds {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Bound {
        Finite(f32),
        Infinite(String),
    }

    pub fn serialize<S: Serializer>(bounds: &[f32], serializer: S) -> Result<S::Ok, S::Error> {
        let name = |&bound: &f32| match bound {
            f32::INFINITY => Bound::Infinite("Infinity".into()),
            f32::NEG_INFINITY => Bound::Infinite("-Infinity".into()),
            finite => Bound::Finite(finite),
        };
        bounds.iter().map(name).collect::<Vec<_>>().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
        let number = |bound| match bound {
            Bound::Finite(number) => Ok(number),
            Bound::Infinite(name) if name == "Infinity" => Ok(f32::INFINITY),
            Bound::Infinite(name) if name == "-Infinity" => Ok(f32::NEG_INFINITY),
            Bound::Infinite(name) => Err(D::Error::custom(format!("`{name}` is not a bound"))),
        };
        Vec::<Bound>::deserialize(deserializer)?.into_iter().map(number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_space_survives_json_with_its_infinite_bounds() {
        let space = Space::symmetric(&[1.5, f32::INFINITY]);
        let json = serde_json::to_string(&space).unwrap();
        assert_eq!(json, r#"{"kind":"box","low":[-1.5,"-Infinity"],"high":[1.5,"Infinity"],"shape":[2]}"#);
        assert_eq!(serde_json::from_str::<Space>(&json).unwrap(), space);
        assert!(serde_json::from_str::<Space>(&json.replace("-Infinity", "low")).is_err());
    }
}
