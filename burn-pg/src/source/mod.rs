//! Acting, and recording what happened.

mod batch;
mod host;
pub(crate) mod streams;

pub use batch::Batch;
pub use host::{Collector, History, RolloutLength, SequenceSpec};
pub(crate) use host::{Recall, SavedCollector, check_observations, default_block_size};

use burn_pg_envs::ActionBuffer;

use crate::{
    Error, StepQuantity,
    advantage::{Targets, Trajectory},
};

/// T steps of N environments on the host, time-major: row `t * N + n` is step `t` of environment `n`.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollout {
    /// Number of environments, N.
    pub num_envs: usize,
    /// Observations acted on. Shape `[T, N, D]`.
    pub observations: Vec<f32>,
    /// Actions that were possible; empty if the environment has no masks. Shape `[T, N, M]`.
    pub action_masks: Vec<bool>,
    /// Actions taken. Shape `[T, N]`.
    pub actions: ActionBuffer,
    /// Log-probabilities of the actions under the policy that took them. Shape `[T, N]`.
    pub log_probs: Vec<f32>,
    /// Values of the observations. Shape `[T, N]`; empty without a critic.
    pub values: Vec<f32>,
    /// Values of the observations that followed; of the final observation at a truncation, 0 at a termination. Shape
    /// `[T, N]`; empty without a critic.
    pub next_values: Vec<f32>,
    /// Rewards. Shape `[T, N]`.
    pub rewards: Vec<f32>,
    /// Episodes that ended in a terminal state with this step. Shape `[T, N]`.
    pub terminated: Vec<bool>,
    /// Episodes that were cut off after this step. Shape `[T, N]`.
    pub truncated: Vec<bool>,
    /// Steps to learn from: all of them, unless rollouts are of whole [`Episodes`](RolloutLength::Episodes). Shape
    /// `[T, N]`.
    pub valid: Vec<bool>,
    /// Steps with which an episode began. Shape `[T, N]`.
    pub begins: Vec<bool>,
    /// What belongs to it if the policy remembers.
    pub history: Option<History>,
}

impl Rollout {
    /// An empty rollout of `num_envs` environments.
    #[must_use]
    pub fn new(num_envs: usize, actions: ActionBuffer) -> Self {
        Self {
            num_envs,
            observations: Vec::new(),
            action_masks: Vec::new(),
            actions,
            log_probs: Vec::new(),
            values: Vec::new(),
            next_values: Vec::new(),
            rewards: Vec::new(),
            terminated: Vec::new(),
            truncated: Vec::new(),
            valid: Vec::new(),
            begins: Vec::new(),
            history: None,
        }
    }

    /// Number of recorded steps of all environments together, T * N.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rewards.len()
    }

    /// Is nothing recorded?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rewards.is_empty()
    }

    /// Forgets the steps, but for what the sequences of the next rollout begin with.
    pub fn clear(&mut self) {
        if let Some(mut history) = self.history.take() {
            history.turn(self);
            self.history = Some(history);
        }
        self.observations.clear();
        self.action_masks.clear();
        self.actions.clear();
        self.log_probs.clear();
        self.values.clear();
        self.next_values.clear();
        self.rewards.clear();
        self.terminated.clear();
        self.truncated.clear();
        self.valid.clear();
        self.begins.clear();
    }

    /// Refuses rewards that would turn every weight into NaN, in the rollout of update `update`. `env_steps` are those
    /// before the rollout.
    ///
    /// # Errors
    /// [`Error::Reward`] for the first reward that is not finite.
    pub fn check_rewards(&self, update: u64, env_steps: u64) -> Result<(), Error> {
        match self.rewards.iter().position(|reward| !reward.is_finite()) {
            None => Ok(()),
            Some(row) => Err(Error::Reward {
                update,
                env: row % self.num_envs,
                step: row / self.num_envs,
                env_steps,
                reward: self.rewards[row],
            }),
        }
    }

    /// Refuses log-probabilities, values and next values that would turn every weight into NaN, in the rollout of
    /// update `update`.
    ///
    /// # Errors
    /// [`Error::Step`] for the first log-probability that is not finite; without one, the first value; without that,
    /// the first next value.
    pub fn check_predictions(&self, update: u64) -> Result<(), Error> {
        self.check(update, StepQuantity::LogProb, self.log_probs.iter().copied().map(f64::from))?;
        self.check(update, StepQuantity::Value, self.values.iter().copied().map(f64::from))?;
        self.check(update, StepQuantity::NextValue, self.next_values.iter().copied().map(f64::from))
    }

    /// Refuses targets that would turn every weight into NaN, in the rollout of update `update`.
    ///
    /// # Errors
    /// [`Error::Step`] for the first advantage that is not finite in single precision; without one, the first return.
    pub fn check_targets(&self, targets: &Targets, update: u64) -> Result<(), Error> {
        self.check(update, StepQuantity::Advantage, targets.advantages.iter().copied())?;
        self.check(update, StepQuantity::Return, targets.returns.iter().copied())
    }

    fn check(&self, update: u64, quantity: StepQuantity, numbers: impl Iterator<Item = f64>) -> Result<(), Error> {
        #[allow(clippy::cast_possible_truncation)] // what is trained on is
        let usable = |number: f64| (number as f32).is_finite();
        match numbers.enumerate().find(|&(_, number)| !usable(number)) {
            None => Ok(()),
            Some((row, value)) => {
                Err(Error::Step { update, quantity, env: row % self.num_envs, step: row / self.num_envs, value })
            }
        }
    }

    /// What an advantage estimator looks at. The policy that acted is the one to improve.
    #[must_use]
    pub fn trajectory(&self) -> Trajectory<'_> {
        Trajectory {
            num_envs: self.num_envs,
            rewards: &self.rewards,
            values: &self.values,
            next_values: &self.next_values,
            terminated: &self.terminated,
            truncated: &self.truncated,
            log_ratios: &[],
        }
    }
}
