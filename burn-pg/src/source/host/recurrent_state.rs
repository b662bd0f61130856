//! The recurrent state of a policy while it acts.

use burn::tensor::{Device, Tensor, TensorData};

use crate::policy::{Observation, Sequences};

/// The recurrent state of a policy in N environments; without elements if the policy is not recurrent.
pub(crate) struct RecurrentState {
    /// Shape `[N, M]`.
    state: Option<Tensor<2>>,
    /// Environments in which the next step begins an episode.
    begins: Vec<bool>,
}

impl RecurrentState {
    /// Returns the state of `len` elements at the beginning of an episode in each of `num_envs` environments.
    pub fn new(num_envs: usize, len: usize, device: &Device) -> Self {
        let state = (len > 0).then(|| Tensor::zeros([num_envs, len], device));
        Self { state, begins: vec![true; num_envs] }
    }

    /// Returns a state in the middle of episodes, or at the beginning of some.
    pub fn from_parts(state: Option<Tensor<2>>, begins: Vec<bool>) -> Self {
        Self { state, begins }
    }

    /// Its elements. Shape `[N, M]`.
    pub fn state(&self) -> Option<&Tensor<2>> {
        self.state.as_ref()
    }

    /// Environments in which the next step begins an episode.
    pub fn begins(&self) -> &[bool] {
        &self.begins
    }

    /// The same, for those who step the environments without it.
    pub fn begins_mut(&mut self) -> &mut [bool] {
        &mut self.begins
    }

    /// Returns the observations of all environments with their states. Behind these rows come those of truncated episodes,
    /// whose states are `cut_off`, of shape `[rows, M]` each.
    pub fn attach(&self, observations: Observation, cut_off: &[Tensor<2>]) -> Observation {
        let Some(state) = &self.state else { return observations };
        let parts: Vec<Tensor<2>> = [state].into_iter().chain(cut_off).cloned().collect();
        let state = Tensor::cat(parts, 0);
        let mut begins = self.begins.clone();
        begins.resize(state.dims()[0], false);
        let begins = Tensor::from_data(TensorData::new(begins, [state.dims()[0], 1]), &state.device());
        observations.with_sequences(Sequences { state, begins, burn_in: None })
    }

    /// Replaces the state by the one after a step.
    ///
    /// # Panics
    /// If a recurrent policy has put out none, or another policy one.
    pub fn advance(&mut self, state: Option<Tensor<2>>) {
        assert_eq!(
            state.is_some(),
            self.state.is_some(),
            "a recurrent policy puts out its state at each step, others at none"
        );
        self.state = state;
        self.begins.fill(false);
    }

    /// Notes that the episodes of these environments have ended.
    pub fn end_episodes(&mut self, envs: impl Iterator<Item = usize>) {
        for env in envs {
            self.begins[env] = true;
        }
    }

    /// The state of one environment. Shape `[1, M]`.
    pub fn of(&self, env: usize) -> Option<Tensor<2>> {
        self.state.as_ref().map(|state| state.clone().narrow(0, env, 1))
    }
}
