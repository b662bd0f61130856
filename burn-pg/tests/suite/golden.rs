//! Values recorded from other programs.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, de::DeserializeOwned};

/// Returns the path of a file or folder, in this crate or in the folder that `BURN_PG_GOLDEN` names.
pub fn golden_path(file: &str) -> PathBuf {
    let folder = std::env::var_os("BURN_PG_GOLDEN")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden"), PathBuf::from);
    folder.join(file)
}

/// Reads a recorded file. Tests take the number of cases and their sizes from it, and assert that it has a case of each kind
/// that they test.
pub fn golden<T: DeserializeOwned>(file: &str) -> T {
    let path = golden_path(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A number that may be spelled "NaN", "Infinity" or "-Infinity".
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number(pub f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Spelling {
            Number(f64),
            Name(String),
        }
        Ok(Self(match Spelling::deserialize(deserializer)? {
            Spelling::Number(number) => number,
            Spelling::Name(name) => name.parse().map_err(serde::de::Error::custom)?,
        }))
    }
}

/// A vector, or a matrix row by row.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Array {
    Vector(Vec<f64>),
    Matrix(Vec<Vec<f64>>),
}

impl Array {
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Self::Vector(vector) => vec![vector.len()],
            Self::Matrix(rows) => vec![rows.len(), rows[0].len()],
        }
    }

    pub fn flat(&self) -> Vec<f64> {
        match self {
            Self::Vector(vector) => vector.clone(),
            Self::Matrix(rows) => rows.concat(),
        }
    }

    /// Transposes a matrix; returns a vector unchanged.
    pub fn transposed(&self) -> Self {
        match self {
            Self::Vector(vector) => Self::Vector(vector.clone()),
            Self::Matrix(rows) => {
                Self::Matrix((0..rows[0].len()).map(|c| rows.iter().map(|row| row[c]).collect()).collect())
            }
        }
    }
}
