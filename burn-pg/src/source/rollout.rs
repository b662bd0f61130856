//! Checks of a rollout, and its view for advantage estimators.

use burn_pg_envs::{ActionBuffer, EnvSpec, StepView};

use super::{Observations, Rollout, RolloutLength, ValueNormalizer};
use crate::{
    Error, StepQuantity,
    advantage::{Targets, Trajectory},
};

impl Rollout {
    /// Creates an empty rollout of `num_envs` environments with the spaces of `spec`.
    #[must_use]
    pub fn of_spec(num_envs: usize, spec: &EnvSpec) -> Self {
        Self::new(num_envs, Observations::new(&spec.observation_space), ActionBuffer::new(&spec.action_space))
    }

    /// Removes all steps, but keeps the recurrent states and steps that the next rollout begins with.
    pub fn clear(&mut self) {
        if let Some(history) = &mut self.history {
            history.begin_next(self.num_envs, &self.observations, &self.begins);
        }
        self.clear_columns();
    }

    /// True if a rollout of this length is not complete. `playing` is true for environments in their first episode.
    pub(super) fn is_incomplete(&self, length: RolloutLength, playing: &[bool]) -> bool {
        match length {
            RolloutLength::Steps(steps) => self.len() < steps * self.num_envs,
            RolloutLength::Episodes => playing.contains(&true),
        }
    }

    /// Ends a recorded step with the outcome `view`. If the number of steps is fixed, the first step reserves memory
    /// for the others. If rollouts are whole episodes, the step is valid only in the environments that are still
    /// `playing` their first episode.
    pub(super) fn end_step(&mut self, length: RolloutLength, playing: &mut [bool], view: StepView<'_>) {
        match length {
            RolloutLength::Steps(steps) if self.len() == self.num_envs => {
                let first = self.clone();
                self.reserve_as(&first, (steps - 1) * self.num_envs);
            }
            RolloutLength::Steps(_) => {}
            RolloutLength::Episodes => {
                let step = self.valid.len() - playing.len();
                self.valid[step..].iter_mut().zip(&*playing).for_each(|(valid, playing)| *valid &= playing);
                for env in view.ended() {
                    playing[env] = false;
                }
            }
        }
    }

    /// Stores advantages and returns, in single precision.
    #[allow(clippy::cast_possible_truncation)] // training uses single precision
    pub fn set_targets(&mut self, targets: &Targets) {
        let single = |values: &[f64]| values.iter().map(|&value| value as f32).collect();
        (self.advantages, self.returns) = (single(&targets.advantages), single(&targets.returns));
    }

    /// Turns values and next values from outputs of the critic into the unit of the rewards. The value after a terminal
    /// state is 0.
    pub(super) fn denormalize_values(&mut self, normalizer: &ValueNormalizer) {
        normalizer.denormalize(&mut self.values);
        normalizer.denormalize(&mut self.next_values);
        for (value, _) in self.next_values.iter_mut().zip(&self.terminated).filter(|(_, terminated)| **terminated) {
            *value = 0.0;
        }
    }

    /// Returns the returns of the steps to learn from.
    pub(super) fn learnt_returns(&self) -> Vec<f64> {
        let learnt = self.returns.iter().zip(&self.valid).filter(|(_, valid)| **valid);
        learnt.map(|(&value, _)| value.into()).collect()
    }

    /// Normalises values and returns.
    pub(super) fn normalize_values(&mut self, normalizer: &ValueNormalizer) {
        normalizer.normalize(&mut self.values);
        normalizer.normalize(&mut self.returns);
    }

    /// Checks that all rewards are finite, since a single NaN or infinity would turn every weight into NaN. The error
    /// contains `update`, the update that the rollout is for, and `env_steps`, the number of steps before the rollout.
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

    /// Checks that all log-probabilities, values and next values are finite, since a single NaN or infinity would turn
    /// every weight into NaN. `update` is the update that the rollout is for.
    ///
    /// # Errors
    /// [`Error::Step`] for the first log-probability that is not finite; if there is none, for the first such value,
    /// and then for the first such next value.
    pub fn check_predictions(&self, update: u64) -> Result<(), Error> {
        self.check(update, StepQuantity::LogProb, self.log_probs.iter().copied().map(f64::from))?;
        self.check(update, StepQuantity::Value, self.values.iter().copied().map(f64::from))?;
        self.check(update, StepQuantity::NextValue, self.next_values.iter().copied().map(f64::from))
    }

    /// Checks that all log-probabilities under the reference are finite.
    pub(super) fn check_reference(&self, update: u64) -> Result<(), Error> {
        self.check(update, StepQuantity::ReferenceLogProb, self.reference_log_probs.iter().copied().map(f64::from))
    }

    /// Checks that all rewards are finite after the KL penalty is subtracted.
    pub(super) fn check_shaped_rewards(&self, update: u64) -> Result<(), Error> {
        self.check(update, StepQuantity::ShapedReward, self.rewards.iter().copied().map(f64::from))
    }

    /// Checks that all targets are finite in single precision, since a single NaN or infinity would turn every weight
    /// into NaN. `update` is the update that the rollout is for.
    ///
    /// # Errors
    /// [`Error::Step`] for the first advantage that is not finite in single precision; if there is none, for the first
    /// such return.
    pub fn check_targets(&self, targets: &Targets, update: u64) -> Result<(), Error> {
        self.check(update, StepQuantity::Advantage, targets.advantages.iter().copied())?;
        self.check(update, StepQuantity::Return, targets.returns.iter().copied())
    }

    fn check(&self, update: u64, quantity: StepQuantity, values: impl Iterator<Item = f64>) -> Result<(), Error> {
        #[allow(clippy::cast_possible_truncation)] // training uses single precision
        let usable = |value: f64| (value as f32).is_finite();
        match values.enumerate().find(|&(_, value)| !usable(value)) {
            None => Ok(()),
            Some((row, value)) => {
                Err(Error::Step { update, quantity, env: row % self.num_envs, step: row / self.num_envs, value })
            }
        }
    }

    /// Returns the input of an advantage estimator. It has no log-ratios, because the policy that took the actions is
    /// the policy to improve.
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
