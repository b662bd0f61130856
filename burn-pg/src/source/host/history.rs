//! What a rollout holds for recurrent policies.

use burn::tensor::Device;
use burn_pg_envs::Space;

use super::RolloutLength;
use crate::{
    policy::{Observation, Sequences},
    source::{Observations, Rollout},
};

/// How a rollout is cut into sequences, for a recurrent policy.
///
/// A sequence is trained on as a whole. It begins with the recurrent state from the time of collection, which becomes
/// stale as the weights change. With a burn-in, that state is computed again with the current weights, from the steps
/// before the sequence. Nothing is learnt from the steps of a burn-in.
///
/// Source: S. Kapturowski and others, *Recurrent experience replay in distributed reinforcement learning* (2019).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequenceSpec {
    /// Steps of a sequence, L: a divisor of the steps of a rollout, or 0 for all of them. Ignored for rollouts of whole
    /// episodes, which are one sequence per environment.
    pub steps: usize,
    /// Steps of the burn-in before each sequence, K; at most the steps of a rollout. Ignored for rollouts of whole
    /// episodes, because the state before an episode is 0.
    pub burn_in: usize,
}

impl SequenceSpec {
    /// Returns the values in effect for rollouts of `length`. Panics if they do not fit it.
    pub(super) fn within(self, length: RolloutLength) -> Self {
        match length {
            RolloutLength::Episodes => Self { steps: usize::MAX, burn_in: 0 },
            RolloutLength::Steps(total) => {
                let steps = if self.steps == 0 { total } else { self.steps };
                assert!(total.is_multiple_of(steps), "sequences of {steps} steps do not divide rollouts of {total}");
                assert!(self.burn_in <= total, "a burn-in of {} steps is longer than a rollout", self.burn_in);
                Self { steps, ..self }
            }
        }
    }
}

/// The recurrent states at the starts of the sequences of a rollout, and the steps before it.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// Elements of the recurrent state, M.
    pub state_len: usize,
    /// Steps of a sequence, L.
    pub steps: usize,
    /// Steps of the burn-in before each sequence, K.
    pub burn_in: usize,
    /// Recurrent states K steps before each of J sequences of each environment. Shape `[J, N, M]`, or longer: the
    /// states with which the next rollout begins follow.
    pub states: Vec<f32>,
    /// Observations of the K steps before the rollout. `K * N` rows.
    pub observations_before: Observations,
    /// True if one of the K steps began an episode. Shape `[K, N]`.
    pub begins_before: Vec<bool>,
}

impl History {
    /// Returns the history before the first step: states and observations are 0.
    pub(super) fn new(state_len: usize, spec: SequenceSpec, num_envs: usize, space: &Space) -> Self {
        let SequenceSpec { steps, burn_in } = spec;
        let mut observations_before = Observations::new(space);
        observations_before.extend(&vec![0.0; burn_in * num_envs * space.flat_len()]);
        Self {
            state_len,
            steps,
            burn_in,
            states: vec![0.0; burn_in.div_ceil(steps) * num_envs * state_len],
            observations_before,
            begins_before: vec![true; burn_in * num_envs],
        }
    }

    /// True if a sequence, or its burn-in, begins with step `step` of the rollout.
    pub(super) fn is_start(&self, step: usize) -> bool {
        (step + self.burn_in).is_multiple_of(self.steps)
    }

    /// Moves on to the rollout after `last`: keeps the states and steps with which that begins, and drops the rest.
    pub(crate) fn turn(&mut self, last: &Rollout) {
        let rows = last.begins.len();
        if rows == 0 {
            return;
        }
        let sequences = (rows / last.num_envs).div_ceil(self.steps);
        self.states.drain(..sequences * last.num_envs * self.state_len);
        let kept = rows - self.burn_in * last.num_envs;
        self.observations_before.clear();
        self.observations_before.append(&last.observations, kept..rows);
        self.begins_before = last.begins[kept..].to_vec();
    }
}

/// The sequences of a rollout, one after the other.
pub(crate) struct Cut<'a> {
    rollout: &'a Rollout,
    history: &'a History,
    /// Steps of a sequence: all of the rollout if it is shorter.
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
        Some(Observation { inputs, action_mask: None, sequences: Some(sequences) })
    }

    fn states(&self) -> Vec<f32> {
        self.history.states[..self.count() * self.history.state_len].to_vec()
    }
}
