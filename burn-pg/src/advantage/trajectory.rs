//! The input of an estimator, and the backward recursion that most estimators share.

use std::iter;

/// T steps of N environments, time-major: element `t * N + n` of each slice is step `t` of environment `n`.
///
/// The methods handle the ends of episodes, so that an estimator contains only its formula:
///
/// ```
/// use burn_pg::advantage::Trajectory;
///
/// let trajectory = Trajectory {
///     num_envs: 1,
///     rewards: &[1.0, 1.0, 1.0],
///     values: &[0.0, 0.0, 0.0],
///     next_values: &[0.0, f32::NAN, 8.0],
///     terminated: &[false, true, false],
///     truncated: &[false, false, false],
///     log_ratios: &[],
/// };
/// let returns = trajectory.backward(|row, later| {
///     trajectory.reward(row) + 0.5 * later.unwrap_or_else(|| trajectory.next_value(row))
/// });
/// assert_eq!(returns, [1.5, 1.0, 5.0]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Trajectory<'a> {
    /// Number of environments, N.
    pub num_envs: usize,
    /// Rewards. Shape `[T, N]`.
    pub rewards: &'a [f32],
    /// Values of the observations acted on. Shape `[T, N]`; empty for an estimator that uses no values.
    pub values: &'a [f32],
    /// Values of the next observations: after a truncation, that of the final observation; after a terminal step,
    /// anything (also NaN), because it is not read. Shape `[T, N]`; empty for an estimator that uses no values.
    pub next_values: &'a [f32],
    /// True where the step ended its episode in a terminal state. Shape `[T, N]`.
    pub terminated: &'a [bool],
    /// True where the episode was truncated after the step. Shape `[T, N]`.
    pub truncated: &'a [bool],
    /// `log pi(a|s) - log mu(a|s)` of each action, where pi is the policy to improve and mu the policy that took the
    /// actions. Shape `[T, N]`; empty if both are the same policy, so that all are 0.
    ///
    /// In double precision, because the difference of two single-precision values may not fit in single precision.
    pub log_ratios: &'a [f64],
}

impl Trajectory<'_> {
    /// Returns the number of steps of all environments together, T * N.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rewards.len()
    }

    /// True if there are no steps.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rewards.is_empty()
    }

    /// Returns the reward in `row`.
    #[must_use]
    pub fn reward(&self, row: usize) -> f64 {
        f64::from(self.rewards[row])
    }

    /// Returns the value of the observation acted on in `row`.
    #[must_use]
    pub fn value(&self, row: usize) -> f64 {
        f64::from(self.values[row])
    }

    /// Returns the value of the observation after the step in `row`; 0 after a terminal step, whatever is recorded
    /// there.
    #[must_use]
    pub fn next_value(&self, row: usize) -> f64 {
        // Selected, not multiplied: NaN times 0 is NaN.
        if self.terminated[row] { 0.0 } else { f64::from(self.next_values[row]) }
    }

    /// Returns `log pi(a|s) - log mu(a|s)` of the action in `row`.
    #[must_use]
    pub fn log_ratio(&self, row: usize) -> f64 {
        if self.log_ratios.is_empty() { 0.0 } else { self.log_ratios[row] }
    }

    /// Returns the row of the next step of the same episode, or `None` if the episode or the trajectory ends with this
    /// step.
    #[must_use]
    pub fn successor(&self, row: usize) -> Option<usize> {
        let next = row + self.num_envs;
        let goes_on = !self.terminated[row] && !self.truncated[row] && next < self.len();
        goes_on.then_some(next)
    }

    /// Returns the rows of an episode, from `row` to its last one in the trajectory.
    pub fn episode_from(&self, row: usize) -> impl Iterator<Item = usize> + '_ {
        iter::successors(Some(row), |&row| self.successor(row))
    }

    /// Computes a recursion backwards in time: the result of each step from the result of the next step of its episode.
    /// `step` gets a row, and the result of its [`successor`](Self::successor) if there is one.
    pub fn backward<T: Copy + Default>(&self, mut step: impl FnMut(usize, Option<T>) -> T) -> Vec<T> {
        let mut results = vec![T::default(); self.len()];
        for row in (0..self.len()).rev() {
            let later = self.successor(row).map(|next| results[next]);
            results[row] = step(row, later);
        }
        results
    }
}
