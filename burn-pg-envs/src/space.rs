//! Spaces of observations and of actions.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The set of possible observations or actions.
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
    /// Vectors between two bounds, flattened in row-major order. A bound may be infinite.
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
    /// Integers `0..=high` in the shape `[channels, height, width]`, flattened in that order; for observations only.
    /// Environments write them as `f32`, and rollouts keep one byte each.
    Image {
        /// Channels, height and width.
        shape: [usize; 3],
        /// The largest value, 1 or more: 255 for pixels, 1 for planes of flags.
        high: u8,
    },
    /// Several boxes or images, one after the other; for observations only.
    Dict {
        /// The parts, in the order in which they are flattened.
        parts: Vec<Part>,
    },
}

/// A named part of a [`Space::Dict`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Its name, unique in the dictionary.
    pub name: String,
    /// Its space: a box or an image.
    pub space: Space,
}

impl Space {
    /// Creates a one-dimensional box with the bounds `-high..=high`.
    #[must_use]
    pub fn symmetric(high: &[f32]) -> Self {
        Self::Box { low: high.iter().map(|h| -h).collect(), high: high.to_vec(), shape: vec![high.len()] }
    }

    /// Creates a dictionary of `parts`, in this order.
    #[must_use]
    pub fn dict<'a>(parts: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        Self::Dict { parts: parts.into_iter().map(|(name, space)| Part { name: name.into(), space }).collect() }
    }

    /// Returns the parts of a dictionary; for any other space, that space alone.
    #[must_use]
    pub fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Dict { parts } => parts.iter().map(|part| &part.space).collect(),
            space => vec![space],
        }
    }

    /// Returns the shape of one element: empty for a discrete space, `[flat_len]` for a dictionary.
    #[must_use]
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Self::Discrete { .. } => Vec::new(),
            Self::Box { shape, .. } => shape.clone(),
            Self::Image { shape, .. } => shape.to_vec(),
            Self::MultiDiscrete { .. } | Self::MultiBinary { .. } | Self::Dict { .. } => vec![self.flat_len()],
        }
    }

    /// Creates the space of the integers `0..n`.
    #[must_use]
    pub fn discrete(n: u32) -> Self {
        Self::Discrete { n, start: 0 }
    }

    /// Returns the contradiction within the space, if there is one.
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
            Self::Image { shape, high } if shape.contains(&0) || *high == 0 => Some("has no elements"),
            Self::Dict { parts } if parts.is_empty() => Some("has no parts"),
            Self::Dict { parts } => parts.iter().enumerate().find_map(|(i, Part { name, space })| match space {
                Self::Box { .. } | Self::Image { .. } if parts[..i].iter().any(|other| other.name == *name) => {
                    Some("has two parts of one name")
                }
                Self::Box { .. } | Self::Image { .. } => space.contradiction(),
                _ => Some("has a part that is neither a box nor an image"),
            }),
            _ => None,
        }
    }

    /// True if the flattened `element` is in the space. Discrete elements are counted from 0.
    #[must_use]
    pub fn contains(&self, element: &[f32]) -> bool {
        let below =
            |number: f32, size: u32| number >= 0.0 && number.fract() == 0.0 && f64::from(number) < f64::from(size);
        element.len() == self.flat_len()
            && match self {
                Self::Discrete { n, .. } => below(element[0], *n),
                Self::MultiDiscrete { sizes } => element.iter().zip(sizes).all(|(&number, &size)| below(number, size)),
                Self::MultiBinary { .. } => element.iter().all(|&number| below(number, 2)),
                Self::Box { low, high, .. } => {
                    let bounds = low.iter().zip(high);
                    element.iter().zip(bounds).all(|(number, (low, high))| (low..=high).contains(&number))
                }
                Self::Image { high, .. } => element.iter().all(|&number| below(number, u32::from(*high) + 1)),
                Self::Dict { parts } => {
                    let mut rest = element;
                    parts.iter().all(|part| {
                        let (of_part, after) = rest.split_at(part.space.flat_len());
                        rest = after;
                        part.space.contains(of_part)
                    })
                }
            }
    }

    /// Returns the number of flags in an action mask: one for each element of a discrete space, or for each element of
    /// each component of a multi-discrete space; 0 for other spaces.
    #[must_use]
    pub fn mask_len(&self) -> usize {
        match self {
            Self::Discrete { n, .. } => *n as usize,
            Self::MultiDiscrete { sizes } => sizes.iter().map(|&n| n as usize).sum(),
            Self::MultiBinary { .. } | Self::Box { .. } | Self::Image { .. } | Self::Dict { .. } => 0,
        }
    }

    /// Returns the number of values (`f32` or integers) of a flattened element.
    #[must_use]
    pub fn flat_len(&self) -> usize {
        match self {
            Self::Discrete { .. } => 1,
            Self::MultiDiscrete { sizes } => sizes.len(),
            Self::MultiBinary { n } => *n as usize,
            Self::Box { low, .. } => low.len(),
            Self::Image { shape, .. } => shape.iter().product(),
            Self::Dict { parts } => parts.iter().map(|part| part.space.flat_len()).sum(),
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
            Self::Image { shape, high } => write!(f, "Image{shape:?} of 0..={high}"),
            Self::Dict { parts } => {
                let parts: Vec<String> = parts.iter().map(|part| format!("{}: {}", part.name, part.space)).collect();
                write!(f, "Dict({})", parts.join(", "))
            }
        }
    }
}

/// Serialises infinite bounds as `"Infinity"` and `"-Infinity"`, because JSON has no infinity.
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
