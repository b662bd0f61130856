//! Many copies of one environment.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Autoreset, EnvBlock, SavedEnvs, StepBatch, VectorEnv,
    batch::{Columns, RowLens, Rows},
    block::{SlotBlock, first_fault},
    parallel::{caught, step_in_parallel, step_one, step_one_by_one},
    saved::unusable,
    slot::{Progress, Rules, Slot},
    workload::Workload,
};
use crate::{Actions, Env, EnvAction, EnvError, EnvSpec, Fault, render::Scene};

/// N copies of `E`, each with its own stream of random numbers, so that no result depends on the number of threads.
///
/// A step is spread over the threads of the current rayon pool if its measured time is at least about 20 microseconds,
/// or 60 for a caller outside a pool, which has to wake the pool up. Steps do not allocate memory (for a caller outside
/// a pool, rayon's queue allocates a block now and then).
#[derive(Debug, Clone)]
pub struct VecEnv<E> {
    spec: EnvSpec,
    slots: Vec<Slot<E>>,
    batch: StepBatch,
    lens: RowLens,
    autoreset: Autoreset,
    /// True if an environment may have failed since the last reset.
    failed: bool,
    workload: Workload,
}

impl<E: Env + Default> VecEnv<E> {
    /// Creates `num_envs` copies of the default `E`, reset with seed 0.
    ///
    /// # Errors
    /// As [`from_envs`](Self::from_envs).
    pub fn new(num_envs: usize) -> Result<Self, EnvError> {
        Self::from_fn(num_envs, |_| E::default())
    }
}

impl<E: Env> VecEnv<E> {
    /// Creates `num_envs` environments by calling `make` with the indices `0..num_envs`. They are reset with seed 0.
    ///
    /// # Errors
    /// As [`from_envs`](Self::from_envs).
    pub fn from_fn(num_envs: usize, make: impl FnMut(usize) -> E) -> Result<Self, EnvError> {
        Self::from_envs((0..num_envs).map(make).collect())
    }

    /// Creates a batch of the given environments, reset with seed 0. They may differ in everything except the
    /// specification.
    ///
    /// # Errors
    /// [`EnvError::NoEnvs`] if there are none, [`EnvError::Spec`] if the specification contradicts itself or the action
    /// type, or environments have different ones, [`EnvError::Failed`] if one of them cannot be reset.
    pub fn from_envs(envs: Vec<E>) -> Result<Self, EnvError> {
        let Some(spec) = envs.first().map(Env::spec) else { return Err(EnvError::NoEnvs) };
        spec.check()?;
        let refuse = |reason: String| Err(EnvError::Spec { id: spec.id.clone(), reason });
        if !E::Action::fits(&spec.action_space) {
            return refuse(format!("its action type does not fit its action space {}", spec.action_space));
        }
        for (env, other) in envs.iter().map(Env::spec).enumerate().skip(1) {
            if let Some((what, first, other)) = spec.difference(&other) {
                return refuse(format!("its {what} is {first} in environment 0, but {other} in environment {env}"));
            }
        }
        let mut vec_env = Self {
            batch: StepBatch::new(&spec, envs.len()),
            workload: Workload::new(envs.len()),
            slots: envs.into_iter().map(Slot::new).collect(),
            lens: RowLens::of(&spec),
            spec,
            autoreset: Autoreset::default(),
            failed: false,
        };
        vec_env.reset(0)?;
        Ok(vec_env)
    }

    /// Renames the environments, for example for a variant of registered ones.
    #[must_use]
    pub fn named(mut self, id: &str) -> Self {
        self.spec.id = id.into();
        self
    }

    /// Resets the slots that are `chosen` and clears their rows.
    fn begin(
        &mut self,
        chosen: impl Fn(usize) -> bool,
        reset: impl Fn(&mut Slot<E>, usize, &mut [f32]) -> Result<(), Box<Fault>>,
    ) -> Result<&StepBatch, EnvError> {
        for (i, slot) in self.slots.iter_mut().enumerate().filter(|(i, _)| chosen(*i)) {
            self.batch.clear(i, self.lens);
            let started = caught(|| {
                reset(slot, i, self.batch.row(i, self.lens).observation)?;
                if self.lens.mask > 0 {
                    slot.env.action_mask(self.batch.mask(i, self.lens));
                }
                Ok(())
            });
            match started {
                Ok(()) => self.batch.valid[i] = true,
                Err(fault) => {
                    slot.fail(fault);
                    self.batch.clear(i, self.lens);
                }
            }
        }
        self.failed = self.slots.iter().any(|slot| slot.needs_reset(Autoreset::SameStep));
        if self.failed { self.faulty() } else { Ok(&self.batch) }
    }

    /// Returns the error of the first environment that has just failed, or else the batch.
    #[cold]
    fn faulty(&mut self) -> Result<&StepBatch, EnvError> {
        first_fault(&mut self.slots, 0).map(|()| &self.batch)
    }

    fn rules(&self) -> Rules {
        Rules {
            lens: self.lens,
            autoreset: self.autoreset,
            time_limit: self.spec.max_episode_steps.unwrap_or(u32::MAX),
        }
    }

    /// Steps all environments, on several threads if that is faster. Returns true if any of them has failed.
    fn step_many(&mut self, actions: &Actions<'_>, rules: Rules) -> bool {
        if let Some(sample) = self.workload.sample() {
            return self.step_and_measure(sample, actions, rules);
        }
        let (rows, envs_per_task) = (Rows::new(&mut self.batch), self.workload.envs_per_task());
        step_in_parallel(&mut self.slots, rows, actions, rules, envs_per_task)
    }

    /// Measures the first `sample` environments on this thread, then steps the others. Returns true if any has failed.
    #[cold]
    fn step_and_measure(&mut self, sample: usize, actions: &Actions<'_>, rules: Rules) -> bool {
        let (timed, others) = self.slots.split_at_mut(sample);
        let (mut timed_rows, other_rows) = Rows::new(&mut self.batch).split_at(sample);
        let start = Instant::now();
        let failed = step_one_by_one(timed, &mut timed_rows, actions, rules);
        self.workload.measured(sample, start.elapsed());
        failed | step_in_parallel(others, other_rows, actions, rules, self.workload.envs_per_task())
    }
}

impl<E: Env> VectorEnv for VecEnv<E> {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn num_envs(&self) -> usize {
        self.slots.len()
    }

    fn batch(&self) -> &StepBatch {
        &self.batch
    }

    fn set_autoreset(&mut self, autoreset: Autoreset) -> Result<(), EnvError> {
        self.autoreset = autoreset;
        Ok(())
    }

    fn set_time_limit(&mut self, steps: Option<u32>) -> Result<(), EnvError> {
        self.spec.max_episode_steps = steps;
        Ok(())
    }

    fn reset_each(&mut self, seeds: &[u64]) -> Result<&StepBatch, EnvError> {
        self.batch.check_count(seeds.len())?;
        self.begin(|_| true, |slot, i, observation| slot.seed(seeds[i], observation))
    }

    fn reset_where(&mut self, mask: &[bool]) -> Result<&StepBatch, EnvError> {
        self.batch.check_count(mask.len())?;
        self.begin(|i| mask[i], |slot, _, observation| slot.reset(observation))
    }

    fn restart(&mut self, env: usize, seed: u64) -> Result<&StepBatch, EnvError> {
        assert!(env < self.slots.len(), "there is no environment {env}");
        self.begin(|i| i == env, |slot, _, observation| slot.seed(seed, observation))
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<&StepBatch, EnvError> {
        actions.check(&self.spec.action_space, self.slots.len())?;
        if self.failed || self.autoreset == Autoreset::Disabled {
            let waiting = self.slots.iter().position(|slot| slot.needs_reset(self.autoreset));
            if let Some(env) = waiting {
                return Err(EnvError::NeedsReset { env });
            }
            self.failed = false;
        }
        let rules = self.rules();
        let failed = match self.slots.len() {
            1 => step_one(&mut self.slots[0], &mut self.batch, &actions, rules),
            _ => self.step_many(&actions, rules),
        };
        self.failed |= failed;
        if failed { self.faulty() } else { Ok(&self.batch) }
    }

    fn render(&self, env: usize) -> Option<Scene> {
        let slot = &self.slots[env];
        // The state of a failed environment is useless, and perhaps cannot be drawn.
        if slot.progress.has_failed() { None } else { slot.env.render() }
    }

    fn blocks(&mut self, size: usize) -> Option<Vec<Box<dyn EnvBlock + '_>>> {
        let rules = self.rules();
        // The next step of the whole batch then checks whether an environment has failed in its block.
        self.failed = true;
        Some(SlotBlock::cut(&self.spec, rules, &mut self.slots, &mut self.batch, size))
    }

    fn save(&self) -> Result<SavedEnvs, EnvError> {
        let save = |slot: &Slot<E>| {
            // The state of a failed environment is useless, and perhaps not serialisable.
            let state = if slot.progress.has_failed() { Value::Null } else { serde_json::to_value(slot.env.state())? };
            Ok(SavedSlot { state, progress: slot.progress.clone() })
        };
        let slots: Result<_, serde_json::Error> = self.slots.iter().map(save).collect();
        let (autoreset, time_limit) = (self.autoreset, self.spec.max_episode_steps);
        let state = SavedCopies { autoreset, time_limit, slots: slots.map_err(unusable)? };
        SavedEnvs::new(&self.spec, &self.batch, &state)
    }

    fn load(&mut self, saved: &SavedEnvs) -> Result<(), EnvError> {
        let (SavedCopies { autoreset, time_limit, slots }, batch) = saved.open(&self.spec, self.slots.len())?;
        if slots.len() != self.slots.len() {
            return Err(unusable(format!("it does not fit {} environments: it has {}", self.slots.len(), slots.len())));
        }
        // Larger counters could overflow, because they are incremented without a check.
        if slots.iter().any(|slot| slot.progress.steps > u64::MAX / 2) {
            return Err(unusable("it has counted more steps than there can be"));
        }
        let read =
            |slot: &SavedSlot| (!slot.progress.has_failed()).then(|| E::State::deserialize(&slot.state)).transpose();
        let states: Result<Vec<Option<E::State>>, _> = slots.iter().map(read).collect();
        for ((slot, saved), state) in self.slots.iter_mut().zip(slots).zip(states.map_err(unusable)?) {
            if let Some(state) = state {
                slot.env.set_state(state);
            }
            slot.progress = saved.progress;
        }
        self.batch = batch;
        self.autoreset = autoreset;
        self.spec.max_episode_steps = time_limit;
        self.failed = self.slots.iter().any(|slot| slot.needs_reset(Autoreset::SameStep));
        Ok(())
    }
}

/// The saved state of all copies, without their batch.
#[derive(Serialize, Deserialize)]
struct SavedCopies {
    autoreset: Autoreset,
    time_limit: Option<u32>,
    slots: Vec<SavedSlot>,
}

/// The saved state of one copy.
#[derive(Serialize, Deserialize)]
struct SavedSlot {
    state: Value,
    #[serde(flatten)]
    progress: Progress,
}
