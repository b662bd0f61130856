//! Advantage estimators: how much better each action was than the policy's average.
//!
//! | estimator | an action is judged by | needs |
//! | --- | --- | --- |
//! | [`RewardToGo`] | every reward that came after it | nothing; optionally values, as a baseline or to bootstrap |
//! | [`NStep`] | `n` rewards, and the value of the state after them | values |
//! | [`Gae`] | a weighted mean of the n-step returns for all `n` | values |
//! | [`VTrace`] | the same, for actions of another policy | values and probability ratios |
//! | [`Rloo`], [`Grpo`] | the score of its episode, relative to the other episodes of its group | groups of episodes |

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

/// The training targets: advantages for the policy, returns for the value function.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Targets {
    /// How much better each action was than the policy's average. Shape `[T, N]`.
    pub advantages: Vec<f64>,
    /// The returns that the value function is fitted to. Shape `[T, N]`.
    pub returns: Vec<f64>,
}

impl Targets {
    /// Creates targets whose advantages are `returns` (shape `[T, N]`) minus the values of the observations acted on.
    fn above_values(returns: Vec<f64>, trajectory: &Trajectory<'_>) -> Self {
        let above_value = |(row, target): (usize, &f64)| target - trajectory.value(row);
        Self { advantages: returns.iter().enumerate().map(above_value).collect(), returns }
    }
}

/// Estimates advantages from a trajectory.
pub trait AdvantageEstimator: Send {
    /// Returns one advantage and one return for each step.
    fn estimate(&self, trajectory: &Trajectory<'_>) -> Targets;

    /// True if the estimator uses the values of a critic. Default true.
    fn needs_values(&self) -> bool {
        true
    }

    /// Returns the estimator as [`Gae`], if it is that: a GPU can estimate with it. Default: `None`.
    fn gae(&self) -> Option<Gae> {
        None
    }
}
