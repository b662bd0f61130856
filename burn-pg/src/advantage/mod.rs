//! How good each action was.

mod gae;

pub use gae::Gae;

/// T steps of N environments, time-major: element `t * N + n` of each slice is step `t` of environment `n`.
#[derive(Debug, Clone, Copy)]
pub struct Trajectory<'a> {
    /// Number of environments, N.
    pub num_envs: usize,
    /// Rewards. Shape `[T, N]`.
    pub rewards: &'a [f32],
    /// Values of the observations acted on. Shape `[T, N]`.
    pub values: &'a [f32],
    /// Values of the observations that followed: where an episode was truncated, of its final observation; where it
    /// terminated, anything (NaN too), for nothing is read there. Shape `[T, N]`.
    pub next_values: &'a [f32],
    /// Episodes that ended in a terminal state with this step. Shape `[T, N]`.
    pub terminated: &'a [bool],
    /// Episodes that were cut off after this step. Shape `[T, N]`.
    pub truncated: &'a [bool],
}

/// What a policy and a value function are trained towards.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Targets {
    /// How much better each action was than the policy's average. Shape `[T, N]`.
    pub advantages: Vec<f64>,
    /// The returns that the value function is fitted to. Shape `[T, N]`.
    pub returns: Vec<f64>,
}

/// Estimates advantages from a trajectory.
pub trait AdvantageEstimator: Send {
    /// One advantage and one return for each step.
    fn estimate(&self, trajectory: &Trajectory<'_>) -> Targets;
}
