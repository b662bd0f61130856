//! What a step of a rollout has.

use std::fmt;

/// A quantity of one step of a rollout, for [`Error::Step`](super::Error::Step).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepQuantity {
    /// The log-probability of the action.
    LogProb,
    /// The value of the observation before the step.
    Value,
    /// The value of the observation after the step.
    NextValue,
    /// The log-probability of the action under the reference policy.
    ReferenceLogProb,
    /// The reward minus the KL penalty (`kl_in_reward`).
    ShapedReward,
    /// The advantage of the action.
    Advantage,
    /// The return.
    Return,
}

impl fmt::Display for StepQuantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LogProb => "log-probability",
            Self::Value => "value",
            Self::NextValue => "next value",
            Self::ReferenceLogProb => "log-probability under the reference policy",
            Self::ShapedReward => "reward less the KL penalty (`kl_in_reward`)",
            Self::Advantage => "advantage",
            Self::Return => "return",
        })
    }
}
