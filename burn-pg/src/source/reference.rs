//! Reference policies.

use burn::tensor::{Tensor, TensorData};

use crate::{
    Error,
    device::readback::read,
    distribution::{ActionTensor, Distribution},
    policy::{Observation, Policy, Rows, Sequences},
    storage::{
        Misfit,
        tensors::{self, Tensors},
    },
};

/// A reference policy: a policy with fixed weights that the trained policy is kept close to.
///
/// Its log-probabilities of the actions of a rollout are computed before advantages are estimated. So the KL divergence
/// from it can be a part of the reward,
///
/// ```text
/// r'_t = r_t - beta (log pi(a_t|s_t) - log reference(a_t|s_t))
/// ```
///
/// or a [loss term](crate::loss::KlToReference), or both.
///
/// Source of this reward: N. Stiennon and others, *Learning to summarize from human feedback* (2020).
#[derive(Debug, Clone)]
pub struct Reference<P> {
    policy: P,
    kl_in_reward: f64,
    micro_batch: usize,
    /// The recurrent state of the reference in each environment after the last rollout, if it is recurrent.
    /// Shape `[N, M]`.
    state: Option<TensorData>,
}

/// The name of the recurrent state among the saved tensors.
const STATE: &str = "recurrent_state";

impl<P: Policy> Reference<P> {
    /// Creates a reference from a copy of `policy`, which must be on a device with autodiff.
    #[must_use]
    pub fn new(policy: &P) -> Self {
        Self { policy: policy.clone().no_grad(), kl_in_reward: 0.0, micro_batch: usize::MAX, state: None }
    }

    /// Sets beta, the weight of the KL divergence in the reward, per nat; 0 or more. Default 0.
    #[must_use]
    pub fn with_kl_in_reward(self, beta: f64) -> Self {
        Self { kl_in_reward: beta, ..self }
    }

    /// Limits how many rows are computed at once, which takes less memory; at least 1. Default: all rows at once.
    ///
    /// # Panics
    /// If `rows` is 0.
    #[must_use]
    pub fn with_micro_batch(self, rows: usize) -> Self {
        assert!(rows > 0, "a micro-batch needs at least one row");
        Self { micro_batch: rows, ..self }
    }

    /// The policy, whose parameters need no gradients.
    #[must_use]
    pub fn policy(&self) -> &P {
        &self.policy
    }

    /// Beta, the weight of the KL divergence in the reward, per nat.
    #[must_use]
    pub fn kl_in_reward(&self) -> f64 {
        self.kl_in_reward
    }

    /// Returns the log-probabilities of the actions under the reference, in the order of the observations, which must
    /// be on a device with autodiff. A recurrent reference begins each sequence with the recurrent state that the
    /// observations hold.
    ///
    /// # Errors
    /// [`Error::Execution`] if the device fails.
    pub fn log_probs(&self, observations: &P::Observation, actions: &ActionTensor) -> Result<Vec<f32>, Error> {
        let rows = actions.len();
        let size = self.micro_batch.min(rows).max(1).next_multiple_of(observations.unit());
        let mut log_probs = Vec::with_capacity(rows);
        for start in (0..rows).step_by(size) {
            let len = size.min(rows - start);
            let shown = observations.narrow_rows(start, len).shown_to(&self.policy);
            let distribution = self.policy.distribution(shown);
            let [of_part] = read([distribution.log_prob(&actions.narrow_rows(start, len))])?;
            log_probs.extend_from_slice(&of_part);
        }
        Ok(log_probs)
    }
}

impl<P: Policy<Observation = Observation>> Reference<P> {
    /// As [`log_probs`](Self::log_probs), for a whole rollout of `num_envs` environments. A recurrent reference carries
    /// its own recurrent state from one sequence of an environment to the next, and from one rollout to the next.
    pub(super) fn log_probs_of_rollout(
        &mut self,
        observations: &Observation,
        actions: &ActionTensor,
        num_envs: usize,
    ) -> Result<Vec<f32>, Error> {
        let (Some(Sequences { begins, .. }), Some(state)) = (&observations.sequences, self.state_in(num_envs)) else {
            return self.log_probs(observations, actions);
        };
        let ([sequences, steps], shape) = (begins.dims(), [num_envs, self.policy.state_len()]);
        // Without autodiff: its graph would keep the states of all steps.
        let (policy, begins) = (self.policy.valid(), begins.clone().inner());
        let (observations, actions) = (observations.inner(), actions.inner());
        let mut state = Tensor::from_data(state, &begins.device());
        let size = (self.micro_batch / steps).clamp(1, num_envs);
        let mut log_probs = Vec::with_capacity(actions.len());
        // The first sequences of all environments come first, then the second ones.
        for round in (0..sequences).step_by(num_envs) {
            let mut after = Vec::new();
            for env in (0..num_envs).step_by(size) {
                let envs = size.min(num_envs - env);
                let (start, rows) = ((round + env) * steps, envs * steps);
                let part = observations.narrow_rows(start, rows);
                let begins = begins.clone().narrow(0, round + env, envs);
                let state = state.clone().narrow(0, env, envs);
                let shown = part.with_sequences(Sequences { state, begins });
                let prediction = policy.forward(shown);
                let [of_part] = read([prediction.distribution.log_prob(&actions.narrow_rows(start, rows))])?;
                log_probs.extend_from_slice(&of_part);
                after.push(prediction.state.expect("a recurrent policy has a recurrent state"));
            }
            state = Tensor::cat(after, 0);
        }
        let [elements] = read([state.flatten::<1>(0, 1)])?;
        self.state = Some(TensorData::new(elements, shape));
        Ok(log_probs)
    }

    /// Returns its weights and its recurrent state, if it is recurrent.
    pub(super) fn save(&self, num_envs: usize) -> Result<Tensors, Misfit> {
        let mut tensors = tensors::of_module(&self.policy)?;
        tensors.extend(self.state_in(num_envs).map(|state| (STATE.to_owned(), state)));
        Ok(tensors)
    }

    /// Restores what [`save`](Self::save) returned.
    pub(super) fn load(&mut self, mut tensors: Tensors, num_envs: usize) -> Result<(), Misfit> {
        let mut expected = self.save(num_envs)?;
        tensors::check_fit(&tensors, &expected)?;
        expected.remove(STATE);
        self.state = tensors.remove(STATE);
        self.policy = tensors::into_module(self.policy.clone(), tensors, &expected)?;
        Ok(())
    }

    /// Its recurrent state, if it is recurrent: 0 before the first rollout. Shape `[N, M]`.
    fn state_in(&self, num_envs: usize) -> Option<TensorData> {
        let shape = [num_envs, self.policy.state_len()];
        let zeros = || TensorData::new(vec![0_f32; shape[0] * shape[1]], shape);
        (shape[1] > 0).then(|| self.state.clone().unwrap_or_else(zeros))
    }
}
