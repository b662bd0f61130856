//! One environment of a batch.

use serde::{Deserialize, Serialize};

use super::{
    Autoreset,
    batch::{Columns, RowLens},
};
use crate::{Env, EnvAction, EnvRng, Fault};

/// One environment of a batch, with its random stream and its progress in the episode.
#[derive(Debug, Clone)]
pub(super) struct Slot<E> {
    pub env: E,
    pub progress: Progress,
    /// The fault since the last reset, until it is reported.
    fault: Option<Box<Fault>>,
}

/// The part of a slot that is saved besides the state of its environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    rng: EnvRng,
    /// The seed of the last reset that had one.
    pub seed: u64,
    /// Steps since that reset.
    pub steps: u64,
    /// True if the episode ended in the last step.
    ended: bool,
    /// True if the episode has ended and the next one has not begun.
    awaits_reset: bool,
    /// True if the environment has failed and must be reset.
    failed: bool,
}

/// The rules by which a batch is stepped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub lens: RowLens,
    pub autoreset: Autoreset,
    pub time_limit: u32,
}

impl Progress {
    /// True if the environment has failed and must be reset.
    pub fn has_failed(&self) -> bool {
        self.failed
    }
}

impl<E: Env> Slot<E> {
    pub fn new(env: E) -> Self {
        let progress =
            Progress { rng: EnvRng::new(0), seed: 0, steps: 0, ended: false, awaits_reset: false, failed: false };
        Self { env, progress, fault: None }
    }

    /// Starts the random stream of `seed`, and an episode.
    pub fn seed(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), Box<Fault>> {
        self.progress.rng = EnvRng::new(seed);
        self.progress.seed = seed;
        self.progress.steps = 0;
        self.reset(observation)
    }

    /// Starts an episode, continuing the random stream.
    pub fn reset(&mut self, observation: &mut [f32]) -> Result<(), Box<Fault>> {
        self.progress.ended = false;
        self.progress.awaits_reset = false;
        self.progress.failed = false;
        self.env.reset(&mut self.progress.rng, observation);
        check_finite(observation)
    }

    /// True if the environment must be reset before it is stepped.
    pub fn needs_reset(&self, autoreset: Autoreset) -> bool {
        self.progress.failed || (self.progress.awaits_reset && autoreset == Autoreset::Disabled)
    }

    /// Marks the environment as failed until it is reset.
    #[cold]
    pub fn fail(&mut self, fault: Box<Fault>) {
        self.progress.failed = true;
        self.fault = Some(fault);
    }

    /// Returns the fault passed to [`fail`](Self::fail), the first time it is called.
    pub fn take_fault(&mut self) -> Option<Fault> {
        self.fault.take().map(|fault| *fault)
    }

    /// Writes the action mask of row `i`, if the environment has one.
    fn mask(&self, columns: &mut impl Columns, i: usize, rules: Rules) {
        if rules.lens.mask > 0 {
            let mask = columns.mask(i, rules.lens);
            mask.fill(true);
            // The action after the end of an episode is ignored, so its mask does not matter.
            if !self.progress.awaits_reset {
                self.env.action_mask(mask);
            }
        }
    }

    /// Takes one step, writes row `i`, and resets the environment if its episode has ended and the rules say so.
    #[allow(clippy::inline_always)] // a call for each environment would cost a tenth of CartPole's step
    #[inline(always)]
    pub fn step(
        &mut self,
        action: <E::Action as EnvAction>::View<'_>,
        columns: &mut impl Columns,
        i: usize,
        rules: Rules,
    ) -> Result<(), Box<Fault>> {
        let row = columns.row(i, rules.lens);
        let progress = &mut self.progress;
        let starts_anew = std::mem::take(&mut progress.ended);
        // Selections instead of branches, because the ends of episodes are hard to predict.
        *row.episode_return = if starts_anew { 0.0 } else { *row.episode_return };
        *row.episode_length = if starts_anew { 0 } else { *row.episode_length };
        *row.valid = !progress.awaits_reset;
        if progress.awaits_reset {
            progress.awaits_reset = false;
            *row.reward = 0.0;
            *row.terminated = false;
            *row.truncated = false;
            self.env.reset(&mut progress.rng, row.observation);
            check_finite(row.observation)?;
            self.mask(columns, i, rules);
            return Ok(());
        }

        progress.steps += 1;
        let step = self.env.step(action, &mut progress.rng, row.observation);
        check_finite(row.observation)?;
        if !step.reward.is_finite() {
            return Err(Box::new(Fault::Reward { value: step.reward }));
        }
        *row.reward = step.reward;
        *row.episode_return += step.reward;
        *row.episode_length += 1;
        *row.terminated = step.terminated;
        *row.truncated = step.truncated || *row.episode_length >= rules.time_limit;
        if *row.terminated || *row.truncated {
            progress.ended = true;
            row.final_observation.copy_from_slice(row.observation);
            progress.awaits_reset = rules.autoreset != Autoreset::SameStep;
            if !progress.awaits_reset {
                self.env.reset(&mut progress.rng, row.observation);
                check_finite(row.observation)?;
            }
        }
        self.mask(columns, i, rules);
        Ok(())
    }
}

/// Checks that all elements are finite. One by one, because a vector load would have to wait for the values that were
/// just stored.
#[inline]
fn check_finite(observation: &[f32]) -> Result<(), Box<Fault>> {
    for (index, &value) in observation.iter().enumerate() {
        if !value.is_finite() {
            return Err(Box::new(Fault::Observation { index, value }));
        }
    }
    Ok(())
}
