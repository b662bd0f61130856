//! The data of a rollout that only recurrent policies need.

use burn_pg_envs::Space;

use super::RolloutLength;
use crate::source::Observations;

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
    /// Returns the steps and the burn-in that apply to rollouts of `length`. Panics if they do not fit it.
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
    /// Recurrent states K steps before each of J sequences of each environment. Shape `[J, N, M]`; longer if states for
    /// the next rollout are already recorded.
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

    /// Moves on to the next rollout: keeps the states and steps that it begins with, and drops the rest. `observations`
    /// and `begins` are those of the rollout that has ended, time-major.
    pub(crate) fn begin_next(&mut self, num_envs: usize, observations: &Observations, begins: &[bool]) {
        let rows = begins.len();
        if rows == 0 {
            return;
        }
        let sequences = (rows / num_envs).div_ceil(self.steps);
        self.states.drain(..sequences * num_envs * self.state_len);
        let kept = rows - self.burn_in * num_envs;
        self.observations_before.clear();
        self.observations_before.append(observations, kept..rows);
        self.begins_before = begins[kept..].to_vec();
    }
}
