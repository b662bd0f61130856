//! The configuration of objectives.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ContextPart, Entropy, KlEstimator, KlPenalty, KlToReference, LossTerm, Objective, ObjectiveError, PolicyGradient,
    PpoClip, Surrogate, Value, ValueClip,
};
use crate::optim::Schedule;

/// The configuration of one summand of an objective:
///
/// ```toml
/// [[loss]]
/// weight = 0.5
/// term = { kind = "value", clip = { kind = "pessimistic", range = 0.2 } }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LossSpec {
    /// The weight of the term, 0 or more: a number or a schedule.
    pub weight: Schedule,
    /// The term.
    pub term: TermSpec,
}

/// The configuration of a loss term.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum TermSpec {
    /// [`PolicyGradient`]
    PolicyGradient {},
    /// [`Surrogate`]
    Surrogate {},
    /// [`PpoClip`]
    PpoClip {
        /// Half-width of the interval around 1 in which the ratio is trusted: a number, or a schedule, which may end at
        /// 0.
        clip_range: Schedule,
        /// How far the interval goes above 1, if not as far as below: a number or a schedule.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        upper: Option<Schedule>,
        /// The highest ratio where the advantage is negative, more than 1. Default: no limit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dual: Option<f64>,
    },
    /// [`KlPenalty`]
    KlPenalty {
        /// The target KL divergence of an update, in nats.
        target: f64,
        /// The initial weight of the penalty. Default 1.
        #[serde(default = "one")]
        weight: f64,
    },
    /// [`KlToReference`]; the reference is the policy at the start of the run.
    KlToReference {
        /// The estimator of the KL divergence: `k1`, `k2` or `k3`.
        estimator: KlEstimator,
    },
    /// [`Entropy`]
    Entropy {},
    /// [`Value`]
    Value {
        /// How far values may move from those of the rollout. Default: without limit.
        #[serde(default)]
        clip: ValueClip,
    },
}

impl TermSpec {
    /// True if the term trains the critic.
    #[must_use]
    pub fn trains_critic(&self) -> bool {
        self.build().needs().contains(&ContextPart::Values)
    }

    /// True if the term compares the policy with a reference.
    #[must_use]
    pub fn compares_with_reference(&self) -> bool {
        self.build().needs().contains(&ContextPart::ReferenceLogProbs)
    }

    /// True if the term reports `approx_kl`, the KL divergence of the policy from the one that took the actions.
    #[must_use]
    pub fn reports_divergence(&self) -> bool {
        match self {
            Self::Surrogate {} | Self::PpoClip { .. } | Self::KlPenalty { .. } => true,
            Self::PolicyGradient {} | Self::KlToReference { .. } | Self::Entropy {} | Self::Value { .. } => false,
        }
    }

    /// True if the term takes the actions for those of the current policy, without comparing it with the policy that acted.
    pub(crate) fn needs_own_rollouts(&self) -> bool {
        matches!(self, Self::PolicyGradient {} | Self::KlToReference { .. })
    }

    fn build(&self) -> Box<dyn LossTerm> {
        match *self {
            Self::PolicyGradient {} => Box::new(PolicyGradient),
            Self::Surrogate {} => Box::new(Surrogate),
            Self::PpoClip { clip_range, upper, dual } => Box::new(PpoClip { clip_range, upper, dual }),
            Self::KlPenalty { target, weight } => Box::new(KlPenalty { target, weight }),
            Self::KlToReference { estimator } => Box::new(KlToReference { estimator }),
            Self::Entropy {} => Box::new(Entropy),
            Self::Value { clip } => Box::new(Value { clip }),
        }
    }
}

fn one() -> f64 {
    1.0
}

impl Objective {
    /// Creates the objective with these summands.
    ///
    /// # Errors
    /// [`ObjectiveError`] if a weight or a hyperparameter is out of range, or two terms have the same name.
    pub fn from_specs<'a>(specs: impl IntoIterator<Item = &'a LossSpec>) -> Result<Self, ObjectiveError> {
        let mut specs = specs.into_iter();
        specs.try_fold(Self::new(), |objective, LossSpec { weight, term }| objective.try_push(*weight, term.build()))
    }
}
