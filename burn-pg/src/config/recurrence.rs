//! Memory, as configurations ask for it.

use serde::{Deserialize, Serialize};

use crate::{policy::CellKind, source::SequenceSpec};

/// What actor and critic remember within an episode.
///
/// ```
/// use burn_pg::config::{Memory, Recurrence};
///
/// let recurrence: Recurrence = toml::from_str("cell = 'gru'\nsize = 32\nsequence_steps = 16\nburn_in = 8")?;
/// assert_eq!(recurrence, Recurrence::Gru(Memory { size: 32, sequence_steps: 16, burn_in: 8 }));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cell", rename_all = "lowercase")]
pub enum Recurrence {
    /// Nothing: each observation is looked at for itself.
    None(Nothing),
    /// What a gated recurrent unit carries, `cell = "gru"`.
    Gru(Memory),
    /// What long short-term memory carries, `cell = "lstm"`.
    Lstm(Memory),
}

/// No settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// The recurrent layers before the hidden ones, and how they are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Memory {
    /// Width of the layer, 1 to 4,096; actor and critic have one each, unless they share their layers. Default 64.
    pub size: usize,
    /// Steps that are trained on as one sequence: a divisor of `num_steps`, or 0 for all of them. Default 0.
    /// (`reinforce` trains on each episode as one sequence, and does not look at it.)
    pub sequence_steps: usize,
    /// Steps before each sequence that are walked along first, to remember what the weights of now would; at most
    /// `num_steps`. Default 0. (Not looked at by `reinforce`: before an episode there is nothing to remember.)
    pub burn_in: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self { size: 64, sequence_steps: 0, burn_in: 0 }
    }
}

impl Default for Recurrence {
    fn default() -> Self {
        Self::None(Nothing {})
    }
}

impl Recurrence {
    /// The settings, if anything is remembered.
    #[must_use]
    pub fn memory(self) -> Option<Memory> {
        match self {
            Self::None(Nothing {}) => None,
            Self::Gru(memory) | Self::Lstm(memory) => Some(memory),
        }
    }

    /// The kind and width of the layer, if there is one.
    #[must_use]
    pub fn cell(self) -> Option<(CellKind, usize)> {
        match self {
            Self::None(Nothing {}) => None,
            Self::Gru(memory) => Some((CellKind::Gru, memory.size)),
            Self::Lstm(memory) => Some((CellKind::Lstm, memory.size)),
        }
    }

    /// How rollouts are cut.
    #[must_use]
    pub fn sequences(self) -> SequenceSpec {
        let Memory { sequence_steps, burn_in, .. } = self.memory().unwrap_or_default();
        SequenceSpec { steps: sequence_steps, burn_in }
    }
}
