//! The recurrent state of a policy while it acts.

use burn::tensor::{Device, Tensor, TensorData};

use crate::policy::{Observation, Sequences};

/// The recurrent state of a policy in N environments. Empty if the policy is not recurrent.
pub(crate) struct RecurrentState {
    /// Its elements. Shape `[N, M]`.
    pub state: Option<Tensor<2>>,
    /// True for environments in which the next step begins an episode.
    pub begins: Vec<bool>,
}

impl RecurrentState {
    /// Creates the state, of `len` elements per environment, at the start of an episode in each of `num_envs`
    /// environments.
    pub fn new(num_envs: usize, len: usize, device: &Device) -> Self {
        let state = (len > 0).then(|| Tensor::zeros([num_envs, len], device));
        Self { state, begins: vec![true; num_envs] }
    }

    /// Attaches the recurrent states to `observations`: the rows of all environments, followed by the final
    /// observations of truncated episodes. `cut_off` has the states before these final observations, of shape
    /// `[rows, M]` each.
    pub fn attach(&self, observations: Observation, cut_off: &[Tensor<2>]) -> Observation {
        let Some(state) = &self.state else { return observations };
        let parts: Vec<Tensor<2>> = [state].into_iter().chain(cut_off).cloned().collect();
        let state = Tensor::cat(parts, 0);
        let mut begins = self.begins.clone();
        begins.resize(state.dims()[0], false);
        let begins = Tensor::from_data(TensorData::new(begins, [state.dims()[0], 1]), &state.device());
        observations.with_sequences(Sequences { state, begins })
    }

    /// Replaces the state with the one after a step.
    ///
    /// # Panics
    /// If a recurrent policy returned no state, or another policy returned one.
    pub fn advance(&mut self, state: Option<Tensor<2>>) {
        assert_eq!(
            state.is_some(),
            self.state.is_some(),
            "a recurrent policy must return a state, and others must not"
        );
        self.state = state;
        self.begins.fill(false);
    }

    /// Marks the episodes of `envs` as ended.
    pub fn end_episodes(&mut self, envs: impl Iterator<Item = usize>) {
        for env in envs {
            self.begins[env] = true;
        }
    }

    /// Returns the state of one environment. Shape `[1, M]`.
    pub fn of(&self, env: usize) -> Option<Tensor<2>> {
        self.state.as_ref().map(|state| state.clone().narrow(0, env, 1))
    }
}
