//! How good each action was.
//!
//! | estimator | an action is judged by | needs |
//! | --- | --- | --- |
//! | [`RewardToGo`] | every reward that came after it | nothing; values as a baseline if wanted |
//! | [`NStep`] | `n` rewards, and the value of what they led to | values |
//! | [`Gae`] | a weighted mean over every such `n` | values |
//! | [`VTrace`] | the same for another policy's actions | values, and how much likelier the actions are now |
//! | [`Rloo`], [`Grpo`] | the score of its episode, beside the other episodes of a group | groups of episodes |

mod explained_variance;
mod gae;
mod group;
mod n_step;
mod reward_to_go;
mod spec;
mod trajectory;
mod vtrace;

pub use explained_variance::explained_variance;
pub use gae::Gae;
pub use group::{GroupSize, GroupSizeError, Grpo, GrpoScale, Rloo, grpo, rloo, rloo_normalized};
pub use n_step::NStep;
pub use reward_to_go::{Bootstrap, RewardToGo};
pub use spec::EstimatorSpec;
pub use trajectory::Trajectory;
pub use vtrace::VTrace;

/// What a policy and a value function are trained towards.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Targets {
    /// How much better each action was than the policy's average. Shape `[T, N]`.
    pub advantages: Vec<f64>,
    /// The returns that the value function is fitted to. Shape `[T, N]`.
    pub returns: Vec<f64>,
}

impl Targets {
    /// Judges each action by how far its return, of shape `[T, N]`, exceeds the value of what it was taken in.
    fn above_values(returns: Vec<f64>, trajectory: &Trajectory<'_>) -> Self {
        let above_value = |(row, target): (usize, &f64)| target - trajectory.value(row);
        Self { advantages: returns.iter().enumerate().map(above_value).collect(), returns }
    }
}

/// Estimates advantages from a trajectory.
pub trait AdvantageEstimator: Send {
    /// One advantage and one return for each step.
    fn estimate(&self, trajectory: &Trajectory<'_>) -> Targets;

    /// Does it look at the values of a critic? Default true.
    fn needs_values(&self) -> bool {
        true
    }
}
