//! What a policy remembers while it acts.

use burn::tensor::{Device, Tensor, TensorData};

use crate::policy::{Observation, Sequences};

/// What a policy remembers of the episodes in N environments; nothing, if it is not one to remember.
pub(crate) struct Recall {
    /// Shape `[N, M]`.
    memory: Option<Tensor<2>>,
    /// Environments in which the next step begins an episode.
    begins: Vec<bool>,
}

impl Recall {
    /// At the beginning of an episode in each of `num_envs` environments, for a policy that remembers `len` numbers.
    pub fn new(num_envs: usize, len: usize, device: &Device) -> Self {
        let memory = (len > 0).then(|| Tensor::zeros([num_envs, len], device));
        Self { memory, begins: vec![true; num_envs] }
    }

    /// In the middle of episodes, or at the beginning of some.
    pub fn from_parts(memory: Option<Tensor<2>>, begins: Vec<bool>) -> Self {
        Self { memory, begins }
    }

    /// What is remembered, of shape `[N, M]`.
    pub fn memory(&self) -> Option<&Tensor<2>> {
        self.memory.as_ref()
    }

    /// Environments in which the next step begins an episode.
    pub fn begins(&self) -> &[bool] {
        &self.begins
    }

    /// The same, for those who step the environments without it.
    pub fn begins_mut(&mut self) -> &mut [bool] {
        &mut self.begins
    }

    /// The observations of all environments, with what is remembered of each; after them, those of the episodes that
    /// `cut_off` remembers (shape `[rows, M]`).
    pub fn attach(&self, observations: Observation, cut_off: &[Tensor<2>]) -> Observation {
        let Some(memory) = &self.memory else { return observations };
        let parts: Vec<Tensor<2>> = [memory].into_iter().chain(cut_off).cloned().collect();
        let memory = Tensor::cat(parts, 0);
        let mut begins = self.begins.clone();
        begins.resize(memory.dims()[0], false);
        let begins = Tensor::from_data(TensorData::new(begins, [memory.dims()[0], 1]), &memory.device());
        observations.with_sequences(Sequences { memory, begins, burn_in: None })
    }

    /// Goes on with what is remembered after a step.
    ///
    /// # Panics
    /// If a policy that remembers has not said what.
    pub fn remember(&mut self, memory: Option<Tensor<2>>) {
        assert_eq!(memory.is_some(), self.memory.is_some(), "a policy remembers at each step or at none");
        self.memory = memory;
        self.begins.fill(false);
    }

    /// The episodes of these environments have ended.
    pub fn forget(&mut self, envs: impl Iterator<Item = usize>) {
        for env in envs {
            self.begins[env] = true;
        }
    }

    /// What is remembered of one environment. Shape `[1, M]`.
    pub fn of(&self, env: usize) -> Option<Tensor<2>> {
        self.memory.as_ref().map(|memory| memory.clone().narrow(0, env, 1))
    }
}
