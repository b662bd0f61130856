//! A rollout cut into sequences.

use burn::tensor::Device;

use super::History;
use crate::{
    policy::{Observation, Sequences},
    source::Rollout,
};

/// The sequences of a rollout, one after the other.
pub(crate) struct Cut<'a> {
    rollout: &'a Rollout,
    history: &'a History,
    /// Steps of a sequence, at most those of the rollout.
    steps: usize,
}

impl<'a> Cut<'a> {
    /// Returns the sequences of a rollout; none if the policy is not recurrent.
    pub fn new(rollout: &'a Rollout) -> Option<Self> {
        let history = rollout.history.as_ref()?;
        let steps = history.steps.min(rollout.begins.len() / rollout.num_envs);
        Some(Self { rollout, history, steps })
    }

    /// Returns the first step and the environment of each sequence.
    pub fn starts(&self) -> impl Iterator<Item = (usize, usize)> + use<'a> {
        let (num_envs, total) = (self.rollout.num_envs, self.rollout.begins.len() / self.rollout.num_envs);
        (0..total).step_by(self.steps).flat_map(move |first| (0..num_envs).map(move |env| (first, env)))
    }

    fn count(&self) -> usize {
        self.rollout.begins.len() / self.steps
    }

    /// Returns the rows of the rollout, sequence by sequence.
    pub fn rows(&self) -> impl Iterator<Item = usize> + use<'a> {
        let (num_envs, steps) = (self.rollout.num_envs, self.steps);
        self.starts().flat_map(move |(first, env)| (first..first + steps).map(move |step| step * num_envs + env))
    }

    /// Uploads the recurrent states with which the sequences begin, or their burn-ins if there are any.
    pub fn sequences(&self, device: &Device) -> Sequences {
        let begins = self.rows().map(|row| self.rollout.begins[row]).collect();
        Sequences::upload(self.states(), begins, self.count(), device)
    }

    /// Uploads the steps of the burn-ins, if there are any.
    pub fn burn_in(&self, device: &Device) -> Option<Observation> {
        let (Rollout { num_envs, .. }, before) = (self.rollout, self.history.burn_in);
        if before == 0 {
            return None;
        }
        let (mut observations, mut begins) = (self.rollout.observations.emptied(), Vec::new());
        for (first, env) in self.starts() {
            // Step 0 is the first of the K steps before the rollout.
            for step in first..first + before {
                let row = step * num_envs + env;
                let (of, flags, row) = match row.checked_sub(before * num_envs) {
                    None => (&self.history.observations_before, &self.history.begins_before, row),
                    Some(row) => (&self.rollout.observations, &self.rollout.begins, row),
                };
                observations.append(of, row..row + 1);
                begins.push(flags[row]);
            }
        }
        let sequences = Sequences::upload(self.states(), begins, self.count(), device);
        let inputs = observations.upload(None, device);
        Some(Observation::from(inputs).with_sequences(sequences))
    }

    fn states(&self) -> Vec<f32> {
        self.history.states[..self.count() * self.history.state_len].to_vec()
    }
}
