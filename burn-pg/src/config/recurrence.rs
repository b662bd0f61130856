//! Settings of recurrent layers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{policy::CellKind, source::SequenceSpec};

/// The recurrent layers of actor and critic.
///
/// ```
/// use burn_pg::config::{RecurrentSpec, Recurrence};
///
/// let recurrence: Recurrence = toml::from_str("cell = 'gru'\nsize = 32\nsequence_steps = 16\nburn_in = 8")?;
/// assert_eq!(recurrence, Recurrence::Gru(RecurrentSpec { size: 32, sequence_steps: 16, burn_in: 8 }));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "cell", rename_all = "lowercase")]
pub enum Recurrence {
    /// None: actions depend only on the current observation. `cell = "none"`.
    None(Nothing),
    /// Gated recurrent units, `cell = "gru"`.
    Gru(RecurrentSpec),
    /// Long short-term memory, `cell = "lstm"`.
    Lstm(RecurrentSpec),
}

/// No settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// The recurrent layers before the hidden layers, and how they are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RecurrentSpec {
    /// Width of a recurrent layer, 1 to 4,096. Actor and critic have one each, unless they share their layers. Default
    /// 64.
    pub size: usize,
    /// Steps that are trained on as one sequence: a divisor of `num_steps`, or 0 for all of them. Default 0. (Not for
    /// `reinforce`: each of its sequences is an episode.)
    pub sequence_steps: usize,
    /// Steps before each sequence from which its first recurrent state is computed with the current weights; at most
    /// `num_steps`. Default 0. (Not for `reinforce`: the state before an episode is 0.)
    pub burn_in: usize,
}

impl Default for RecurrentSpec {
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
    /// The settings, if there are recurrent layers.
    #[must_use]
    pub fn spec(self) -> Option<RecurrentSpec> {
        match self {
            Self::None(Nothing {}) => None,
            Self::Gru(spec) | Self::Lstm(spec) => Some(spec),
        }
    }

    /// The kind and width of the layer, if there is one.
    #[must_use]
    pub fn cell(self) -> Option<(CellKind, usize)> {
        match self {
            Self::None(Nothing {}) => None,
            Self::Gru(spec) => Some((CellKind::Gru, spec.size)),
            Self::Lstm(spec) => Some((CellKind::Lstm, spec.size)),
        }
    }

    /// How rollouts are cut into sequences.
    #[must_use]
    pub fn sequences(self) -> SequenceSpec {
        let RecurrentSpec { sequence_steps, burn_in, .. } = self.spec().unwrap_or_default();
        SequenceSpec { steps: sequence_steps, burn_in }
    }
}
