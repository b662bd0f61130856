//! A policy that is not trained, beside the one that is.

use crate::{
    Error,
    device::readback::read,
    distribution::{ActionTensor, Distribution},
    policy::{Policy, Rows},
};

/// A reference policy: what the trained policy is kept near to.
///
/// It says how likely it finds the actions of a rollout, before advantages are estimated. So the divergence from it can
/// be a part of the reward,
///
/// ```text
/// r'_t = r_t - beta (log pi(a_t|s_t) - log reference(a_t|s_t))
/// ```
///
/// or a [loss term](crate::loss::KlToReference), or both.
///
/// Source of the reward: N. Stiennon and others, *Learning to summarize from human feedback* (2020).
#[derive(Debug, Clone)]
pub struct Reference<P> {
    policy: P,
    kl_in_reward: f64,
    micro_batch: usize,
}

impl<P: Policy> Reference<P> {
    /// `policy`, which is on a device with autodiff, as it is now.
    #[must_use]
    pub fn new(policy: &P) -> Self {
        Self { policy: policy.clone().no_grad(), kl_in_reward: 0.0, micro_batch: usize::MAX }
    }

    /// The same, with the price beta of a nat of divergence in the reward, 0 or more. Default 0.
    #[must_use]
    pub fn with_kl_in_reward(self, beta: f64) -> Self {
        Self { kl_in_reward: beta, ..self }
    }

    /// The same, looking at no more than `rows` rows at once, at least 1: it takes less memory. Default: at all of them.
    ///
    /// # Panics
    /// If `rows` is 0.
    #[must_use]
    pub fn with_micro_batch(self, rows: usize) -> Self {
        assert!(rows > 0, "a micro-batch has a row");
        Self { micro_batch: rows, ..self }
    }

    /// The policy, whose parameters need no gradients.
    #[must_use]
    pub fn policy(&self) -> &P {
        &self.policy
    }

    pub(crate) fn set_policy(&mut self, policy: P) {
        self.policy = policy;
    }

    /// The price beta of a nat of divergence in the reward.
    #[must_use]
    pub fn kl_in_reward(&self) -> f64 {
        self.kl_in_reward
    }

    /// Log-probabilities of actions under the reference, for observations on a device with autodiff, in their order. A
    /// reference that remembers begins each sequence with what the policy that acted remembered there.
    ///
    /// # Errors
    /// [`Error::Execution`] if the device fails.
    pub fn log_probs(&self, observations: &P::Observation, actions: &ActionTensor) -> Result<Vec<f32>, Error> {
        let rows = actions.len();
        let size = self.micro_batch.min(rows).next_multiple_of(observations.unit());
        let mut log_probs = Vec::with_capacity(rows);
        for start in (0..rows).step_by(size) {
            let len = size.min(rows - start);
            let shown = observations.narrow_rows(start, len).shown_to(&self.policy);
            let distribution = self.policy.forward(shown).distribution;
            let [of_part] = read([distribution.log_prob(&actions.narrow_rows(start, len))])?;
            log_probs.extend_from_slice(&of_part);
        }
        Ok(log_probs)
    }
}
