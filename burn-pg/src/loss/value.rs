//! The squared error of the values.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClosedForm, ContextPart, LossContext, LossTerm, ObjectiveError, PerSample, error::check_range};
use crate::{
    kernel::{ValueLimit, value_error},
    optim::Schedule,
};

/// Half the mean squared error between values and returns,
///
/// ```text
/// L = 0.5 mean((V - R)^2)
/// ```
///
/// [`ValueClip`] can limit how far values move from those of the rollout. Every form has the factor 0.5. CleanRL and
/// OpenAI's baselines have it too; Stable-Baselines3 and Spinning Up do not, so a weight `vf_coef` there is a weight of
/// `2 vf_coef` here, and a `value_loss` there is twice the one here.
///
/// Reports `value_loss`, which is L.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Value {
    /// How far values may move from those of the rollout. Default: without limit.
    pub clip: ValueClip,
}

/// The limit on how far values may move from those of the rollout. With a range c,
/// `V_c = V_old + clip(V - V_old, -c, c)`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ValueClip {
    /// No limit: `(V - R)^2`.
    #[default]
    Off,
    /// The larger of two errors, `max((V - R)^2, (V_c - R)^2)`. A value that has moved more than c towards its return
    /// gets no gradient; one that has moved away from it is pulled back. Used by CleanRL and OpenAI's baselines.
    Pessimistic {
        /// The range c, in the unit of the returns; positive, and at the end of a schedule 0 or more.
        range: Schedule,
    },
    /// `(V_c - R)^2`: a value that has moved more than c gets no gradient, even if it has moved away from its return.
    /// Used by Stable-Baselines3 (`clip_range_vf`).
    Hard {
        /// The range c, in the unit of the returns; positive, and at the end of a schedule 0 or more.
        range: Schedule,
    },
}

impl LossTerm for Value {
    fn name(&self) -> &'static str {
        "value_loss"
    }

    fn compute(&self, context: &LossContext<'_>) -> PerSample {
        let old = || context.old_values();
        let limit = match self.clip {
            ValueClip::Off => ValueLimit::None,
            ValueClip::Pessimistic { range } => ValueLimit::Larger(old(), range.at(context.progress())),
            ValueClip::Hard { range } => ValueLimit::Clipped(old(), range.at(context.progress())),
        };
        PerSample::new(value_error(&context.values(), &context.returns(), &limit))
    }

    fn closed_form(&self, progress: f64) -> Option<ClosedForm> {
        Some(match self.clip {
            ValueClip::Off => ClosedForm::Value,
            ValueClip::Pessimistic { range } => ClosedForm::PessimisticValue { range: range.at(progress) },
            ValueClip::Hard { range } => ClosedForm::HardValue { range: range.at(progress) },
        })
    }

    fn needs(&self) -> &'static [ContextPart] {
        match self.clip {
            ValueClip::Off => &[ContextPart::Values, ContextPart::Returns],
            _ => &[ContextPart::Values, ContextPart::OldValues, ContextPart::Returns],
        }
    }

    fn validate(&self) -> Result<(), ObjectiveError> {
        match self.clip {
            ValueClip::Off => Ok(()),
            ValueClip::Pessimistic { range } | ValueClip::Hard { range } => {
                check_range(self.name(), "clip range", range)
            }
        }
    }
}
