//! One environment of a batch.

use serde::{Deserialize, Serialize};

use super::{Autoreset, batch::Rows};
use crate::{Actions, Env, EnvAction, EnvRng, Fault};

/// One environment of a batch, with its stream of random numbers and where it is in its episode.
#[derive(Debug, Clone)]
pub(super) struct Slot<E> {
    pub env: E,
    pub progress: Progress,
}

/// What there is to save of a slot besides the state of its environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    rng: EnvRng,
    /// The seed of the last reset that had one.
    pub seed: u64,
    /// Steps since then.
    pub steps: u64,
    /// Has the episode ended in the last step?
    ended: bool,
    /// Has the environment failed, so that only a reset helps?
    failed: bool,
}

/// How a batch is stepped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub autoreset: Autoreset,
    pub time_limit: u32,
}

impl<E: Env> Slot<E> {
    pub fn new(env: E) -> Self {
        let progress = Progress { rng: EnvRng::new(0), seed: 0, steps: 0, ended: false, failed: false };
        Self { env, progress }
    }

    /// Starts the stream of `seed`, and an episode with it.
    pub fn seed(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), Fault> {
        self.progress.rng = EnvRng::new(seed);
        self.progress.seed = seed;
        self.progress.steps = 0;
        self.reset(observation)
    }

    /// Starts an episode, in the stream as it is.
    pub fn reset(&mut self, observation: &mut [f32]) -> Result<(), Fault> {
        self.progress.ended = false;
        self.progress.failed = false;
        self.env.reset(&mut self.progress.rng, observation);
        check_finite(observation)
    }

    /// Must it be reset before it can be stepped?
    pub fn needs_reset(&self, autoreset: Autoreset) -> bool {
        self.progress.failed || (self.progress.ended && autoreset == Autoreset::Disabled)
    }

    /// Leaves the environment alone until it is reset.
    pub fn fail(&mut self) {
        self.progress.failed = true;
    }

    /// Steps row `i` of `rows`, and resets it if its episode has ended and the rules say so.
    pub fn step(&mut self, rows: &mut Rows<'_>, i: usize, actions: &Actions<'_>, rules: Rules) -> Result<(), Fault> {
        let columns = i * rows.observation_len..(i + 1) * rows.observation_len;
        let observation = &mut rows.observations[columns.clone()];
        let starts_anew = std::mem::take(&mut self.progress.ended);
        if starts_anew {
            rows.returns[i] = 0.0;
            rows.lengths[i] = 0;
        }
        rows.valid[i] = !(starts_anew && rules.autoreset == Autoreset::NextStep);
        if !rows.valid[i] {
            rows.rewards[i] = 0.0;
            rows.terminated[i] = false;
            rows.truncated[i] = false;
            self.env.reset(&mut self.progress.rng, observation);
            return check_finite(observation);
        }

        let action = E::Action::read(actions, rows.first + i);
        let step = self.env.step(action, &mut self.progress.rng, observation);
        self.progress.steps += 1;
        check_finite(observation)?;
        if !step.reward.is_finite() {
            return Err(Fault::Reward { value: step.reward });
        }
        rows.lengths[i] += 1;
        rows.returns[i] += step.reward;
        rows.rewards[i] = step.reward;
        rows.terminated[i] = step.terminated;
        rows.truncated[i] = step.truncated || rows.lengths[i] >= rules.time_limit;
        if rows.terminated[i] || rows.truncated[i] {
            self.progress.ended = true;
            rows.final_observations[columns].copy_from_slice(observation);
            if rules.autoreset == Autoreset::SameStep {
                self.env.reset(&mut self.progress.rng, observation);
                return check_finite(observation);
            }
        }
        Ok(())
    }
}

fn check_finite(observation: &[f32]) -> Result<(), Fault> {
    // Without a way out of the loop, it is done in one go.
    if observation.iter().fold(true, |finite, value| finite & value.is_finite()) {
        return Ok(());
    }
    let bad = observation.iter().enumerate().find(|(_, value)| !value.is_finite());
    bad.map_or(Ok(()), |(index, &value)| Err(Fault::Observation { index, value }))
}
