//! The names of the algorithms.

use std::{fmt, str::FromStr};

use burn_pg_envs::UnknownName;
use serde::{Deserialize, Serialize};

/// An algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "&str", try_from = "String")]
pub enum Algo {
    /// The vanilla policy gradient over whole episodes, without a critic.
    Reinforce,
    /// Advantage actor-critic.
    A2c,
    /// Trust-region policy optimisation.
    Trpo,
    /// Proximal policy optimisation with the clipped surrogate.
    Ppo,
}

impl Algo {
    /// Every algorithm.
    pub const ALL: [Self; 4] = [Self::Reinforce, Self::A2c, Self::Trpo, Self::Ppo];

    /// The name on the command line and in configurations.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reinforce => "reinforce",
            Self::A2c => "a2c",
            Self::Trpo => "trpo",
            Self::Ppo => "ppo",
        }
    }
}

impl fmt::Display for Algo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Algo> for &'static str {
    fn from(algo: Algo) -> Self {
        algo.name()
    }
}

impl FromStr for Algo {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|algo| algo.name() == name)
            .ok_or_else(|| UnknownName::new("algorithm", name, Self::ALL.map(Self::name)))
    }
}

impl TryFrom<String> for Algo {
    type Error = UnknownName;

    fn try_from(name: String) -> Result<Self, UnknownName> {
        name.parse()
    }
}
