//! What an estimator looks at, and the one walk along it that most of them share.

use std::iter;

/// T steps of N environments, time-major: element `t * N + n` of each slice is step `t` of environment `n`.
///
/// The methods know where an episode ends, so that an estimator is left with its formula:
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
    /// Values of the observations acted on. Shape `[T, N]`; empty for an estimator that looks at no values.
    pub values: &'a [f32],
    /// Values of the observations that followed: where an episode was truncated, of its final observation; where it
    /// terminated, anything (NaN too), for nothing is read there. Shape `[T, N]`; empty for an estimator that looks at
    /// no values.
    pub next_values: &'a [f32],
    /// Episodes that ended in a terminal state with this step. Shape `[T, N]`.
    pub terminated: &'a [bool],
    /// Episodes that were cut off after this step. Shape `[T, N]`.
    pub truncated: &'a [bool],
    /// How much likelier each action is under the policy to improve, pi, than it was under the one that took it, mu:
    /// `log pi(a|s) - log mu(a|s)`. Shape `[T, N]`; empty if the two are the same policy, which is to say all 0.
    ///
    /// In double precision, because single precision cannot hold every difference of two numbers of its own.
    pub log_ratios: &'a [f64],
}

impl Trajectory<'_> {
    /// Number of steps of all environments together, T * N.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rewards.len()
    }

    /// Are there no steps?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rewards.is_empty()
    }

    /// The reward in `row`.
    #[must_use]
    pub fn reward(&self, row: usize) -> f64 {
        f64::from(self.rewards[row])
    }

    /// The value of the observation acted on in `row`.
    #[must_use]
    pub fn value(&self, row: usize) -> f64 {
        f64::from(self.values[row])
    }

    /// The value of what followed the step in `row`: 0 behind a terminal step, whatever is recorded there.
    #[must_use]
    pub fn next_value(&self, row: usize) -> f64 {
        // Selected, not multiplied: NaN times 0 is NaN.
        if self.terminated[row] { 0.0 } else { f64::from(self.next_values[row]) }
    }

    /// `log pi(a|s) - log mu(a|s)` of the action in `row`.
    #[must_use]
    pub fn log_ratio(&self, row: usize) -> f64 {
        if self.log_ratios.is_empty() { 0.0 } else { self.log_ratios[row] }
    }

    /// The row of the next step of the same episode; none if the episode or the trajectory ends with this one.
    #[must_use]
    pub fn successor(&self, row: usize) -> Option<usize> {
        let next = row + self.num_envs;
        let goes_on = !self.terminated[row] && !self.truncated[row] && next < self.len();
        goes_on.then_some(next)
    }

    /// The rows of an episode, from `row` to its last one in the trajectory.
    pub fn episode_from(&self, row: usize) -> impl Iterator<Item = usize> + '_ {
        iter::successors(Some(row), |&row| self.successor(row))
    }

    /// Computes something for each step from the same thing for the step that follows it in its episode, the last steps
    /// first. `step` is given a row, and what it made of the [`successor`](Self::successor) if there is one.
    pub fn backward<T: Copy + Default>(&self, mut step: impl FnMut(usize, Option<T>) -> T) -> Vec<T> {
        let mut results = vec![T::default(); self.len()];
        for row in (0..self.len()).rev() {
            let later = self.successor(row).map(|next| results[next]);
            results[row] = step(row, later);
        }
        results
    }
}
