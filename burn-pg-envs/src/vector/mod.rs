//! Many copies of one environment, stepped as one batch.

mod batch;
mod slot;

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Actions, Env, EnvError, EnvSpec, Fault};
use batch::Rows;
use slot::{Progress, Rules, Slot};

pub use batch::StepBatch;

/// Environments one rayon task steps. Fixed, so that the work is cut the same way for any number of threads; and so many
/// that stepping them takes longer than handing them to another thread (see docs/environments.md).
const ENVS_PER_TASK: usize = 256;

/// What happens to an environment whose episode has ended. The modes are Gymnasium's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Autoreset {
    /// It is reset in the same step: `observations` then holds the first observation of the next episode, and
    /// `final_observations` the last of the one that ended.
    #[default]
    SameStep,
    /// It is reset in place of the next step, whose row is marked as not [`valid`](StepBatch::valid).
    NextStep,
    /// It has to be reset by hand, with [`VectorEnv::reset_where`], before it can be stepped.
    Disabled,
}

/// A batch of environments behind one interface, whatever their action type.
pub trait VectorEnv: Send {
    /// What is known of each of the environments.
    fn spec(&self) -> &EnvSpec;

    /// Number of environments, N.
    fn num_envs(&self) -> usize;

    /// What the last reset or step produced.
    fn batch(&self) -> &StepBatch;

    /// Chooses what happens at the end of an episode, from the next step on.
    fn set_autoreset(&mut self, autoreset: Autoreset);

    /// Puts another time limit in place of that of the specification, or none.
    fn set_time_limit(&mut self, steps: Option<u32>);

    /// Starts all episodes anew. Environment `i` is seeded with `seed + i` (wrapping), as Gymnasium does.
    fn reset(&mut self, seed: u64) -> &StepBatch;

    /// Starts all episodes anew, with a seed for each environment.
    ///
    /// # Errors
    /// [`EnvError::MaskLen`] if there are not N seeds.
    fn reset_each(&mut self, seeds: &[u64]) -> Result<&StepBatch, EnvError>;

    /// Starts new episodes where `mask` (of length N) says so, each in the stream of its environment as it is.
    ///
    /// # Errors
    /// [`EnvError::MaskLen`] if there are not N flags.
    fn reset_where(&mut self, mask: &[bool]) -> Result<&StepBatch, EnvError>;

    /// Takes one action in each environment.
    ///
    /// # Errors
    /// If the actions do not fit the action space or the number of environments, or an environment must be reset first;
    /// nothing has been stepped then. [`EnvError::Failed`] if an environment panics or produces numbers that are not
    /// finite; the others have been stepped, and it must be reset.
    fn step(&mut self, actions: Actions<'_>) -> Result<&StepBatch, EnvError>;

    /// Everything that later steps depend on, mid-episode too.
    ///
    /// # Errors
    /// [`EnvError::State`] if the state of an environment cannot be written as JSON.
    fn save(&self) -> Result<SavedEnvs, EnvError>;

    /// Goes on where [`save`](Self::save) was called.
    ///
    /// # Errors
    /// [`EnvError::State`] if it is the state of other environments; nothing has changed then.
    fn load(&mut self, saved: &SavedEnvs) -> Result<(), EnvError>;
}

impl<V: VectorEnv + ?Sized> VectorEnv for Box<V> {
    fn spec(&self) -> &EnvSpec {
        (**self).spec()
    }

    fn num_envs(&self) -> usize {
        (**self).num_envs()
    }

    fn batch(&self) -> &StepBatch {
        (**self).batch()
    }

    fn set_autoreset(&mut self, autoreset: Autoreset) {
        (**self).set_autoreset(autoreset);
    }

    fn set_time_limit(&mut self, steps: Option<u32>) {
        (**self).set_time_limit(steps);
    }

    fn reset(&mut self, seed: u64) -> &StepBatch {
        (**self).reset(seed)
    }

    fn reset_each(&mut self, seeds: &[u64]) -> Result<&StepBatch, EnvError> {
        (**self).reset_each(seeds)
    }

    fn reset_where(&mut self, mask: &[bool]) -> Result<&StepBatch, EnvError> {
        (**self).reset_where(mask)
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<&StepBatch, EnvError> {
        (**self).step(actions)
    }

    fn save(&self) -> Result<SavedEnvs, EnvError> {
        (**self).save()
    }

    fn load(&mut self, saved: &SavedEnvs) -> Result<(), EnvError> {
        (**self).load(saved)
    }
}

/// The state of a batch of environments, as plain data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedEnvs {
    id: String,
    autoreset: Autoreset,
    slots: Vec<SavedSlot>,
    batch: StepBatch,
    /// The state of the wrappers around the environments, the innermost first.
    #[serde(default)]
    wrappers: Vec<serde_json::Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SavedSlot {
    state: serde_json::Value,
    #[serde(flatten)]
    progress: Progress,
}

impl SavedEnvs {
    /// The state of environment `index` itself, as its [`Env::State`] is written.
    #[must_use]
    pub fn state(&self, index: usize) -> Option<&serde_json::Value> {
        self.slots.get(index).map(|slot| &slot.state)
    }

    /// With the state of one more wrapper around it.
    ///
    /// # Errors
    /// [`EnvError::State`] if the state cannot be written as JSON.
    pub fn wrapped(mut self, state: &impl Serialize) -> Result<Self, EnvError> {
        let state = serde_json::to_value(state).map_err(|error| EnvError::State { reason: error.to_string() })?;
        self.wrappers.push(state);
        Ok(self)
    }

    /// Without the outermost wrapper, and the state of that.
    ///
    /// # Errors
    /// [`EnvError::State`] if there is none, or it is of another kind.
    pub fn unwrapped<T: DeserializeOwned>(&self) -> Result<(Self, T), EnvError> {
        let mut inner = self.clone();
        let Some(state) = inner.wrappers.pop() else {
            return Err(EnvError::State { reason: "it lacks the state of a wrapper".into() });
        };
        let state = T::deserialize(state).map_err(|error| EnvError::State { reason: error.to_string() })?;
        Ok((inner, state))
    }
}

/// N copies of `E`, each with its own stream of random numbers, so that no result depends on the number of threads.
#[derive(Debug, Clone)]
pub struct VecEnv<E> {
    spec: EnvSpec,
    slots: Vec<Slot<E>>,
    batch: StepBatch,
    observation_len: usize,
    autoreset: Autoreset,
    /// Has an environment failed since the last reset?
    failed: bool,
}

impl<E: Env + Default> VecEnv<E> {
    /// `num_envs` copies of the default `E`, reset with seed 0.
    ///
    /// # Errors
    /// [`EnvError::NoEnvs`] if `num_envs` is 0.
    pub fn new(num_envs: usize) -> Result<Self, EnvError> {
        Self::from_envs(std::iter::repeat_with(E::default).take(num_envs).collect())
    }
}

impl<E: Env> VecEnv<E> {
    /// The given environments as one batch, reset with seed 0.
    ///
    /// # Errors
    /// [`EnvError::NoEnvs`] if there are none.
    pub fn from_envs(envs: Vec<E>) -> Result<Self, EnvError> {
        if envs.is_empty() {
            return Err(EnvError::NoEnvs);
        }
        let spec = E::spec();
        let observation_len = spec.observation_space.flat_len();
        let mut vec_env = Self {
            batch: StepBatch::new(envs.len(), observation_len),
            slots: envs.into_iter().map(Slot::new).collect(),
            observation_len,
            spec,
            autoreset: Autoreset::default(),
            failed: false,
        };
        vec_env.reset(0);
        Ok(vec_env)
    }

    /// Resets the slots that `reset` is told of, and forgets what was before.
    fn restart(&mut self, chosen: impl Fn(usize) -> bool, reset: impl Fn(&mut Slot<E>, usize, &mut [f32])) {
        let batch = &mut self.batch;
        for (i, slot) in self.slots.iter_mut().enumerate().filter(|(i, _)| chosen(*i)) {
            reset(slot, i, &mut batch.observations[i * self.observation_len..(i + 1) * self.observation_len]);
            batch.rewards[i] = 0.0;
            batch.terminated[i] = false;
            batch.truncated[i] = false;
            batch.valid[i] = true;
            batch.episode_returns[i] = 0.0;
            batch.episode_lengths[i] = 0;
        }
        self.failed = self.slots.iter().any(|slot| slot.needs_reset(Autoreset::SameStep));
    }

    fn check_len(&self, given: usize) -> Result<(), EnvError> {
        let envs = self.slots.len();
        if given == envs { Ok(()) } else { Err(EnvError::MaskLen { given, envs }) }
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

    fn set_autoreset(&mut self, autoreset: Autoreset) {
        self.autoreset = autoreset;
    }

    fn set_time_limit(&mut self, steps: Option<u32>) {
        self.spec.max_episode_steps = steps;
    }

    fn reset(&mut self, seed: u64) -> &StepBatch {
        self.restart(|_| true, |slot, i, observation| slot.seed(seed.wrapping_add(i as u64), observation));
        &self.batch
    }

    fn reset_each(&mut self, seeds: &[u64]) -> Result<&StepBatch, EnvError> {
        self.check_len(seeds.len())?;
        self.restart(|_| true, |slot, i, observation| slot.seed(seeds[i], observation));
        Ok(&self.batch)
    }

    fn reset_where(&mut self, mask: &[bool]) -> Result<&StepBatch, EnvError> {
        self.check_len(mask.len())?;
        self.restart(|i| mask[i], |slot, _, observation| slot.reset(observation));
        Ok(&self.batch)
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<&StepBatch, EnvError> {
        actions.check(&self.spec.action_space, self.slots.len())?;
        if self.failed || self.autoreset == Autoreset::Disabled {
            let waiting = self.slots.iter().position(|slot| slot.needs_reset(self.autoreset));
            if let Some(env) = waiting {
                return Err(EnvError::NeedsReset { env });
            }
        }
        let rules = Rules { autoreset: self.autoreset, time_limit: self.spec.max_episode_steps.unwrap_or(u32::MAX) };
        let rows = Rows::new(&mut self.batch, self.observation_len);
        match step_in_parallel(&mut self.slots, rows, &actions, rules) {
            None => Ok(&self.batch),
            Some((env, fault)) => {
                self.failed = true;
                let Progress { seed, steps, .. } = self.slots[env].progress;
                Err(EnvError::Failed { env, seed, steps, fault })
            }
        }
    }

    fn save(&self) -> Result<SavedEnvs, EnvError> {
        let save = |slot: &Slot<E>| {
            let state = serde_json::to_value(slot.env.state())?;
            Ok(SavedSlot { state, progress: slot.progress.clone() })
        };
        let slots: Result<_, serde_json::Error> = self.slots.iter().map(save).collect();
        Ok(SavedEnvs {
            id: self.spec.id.clone(),
            autoreset: self.autoreset,
            slots: slots.map_err(|error| EnvError::State { reason: error.to_string() })?,
            batch: self.batch.clone(),
            wrappers: Vec::new(),
        })
    }

    fn load(&mut self, saved: &SavedEnvs) -> Result<(), EnvError> {
        let refuse = |reason: String| Err(EnvError::State { reason });
        if saved.id != self.spec.id {
            return refuse(format!("it is that of `{}`, not of `{}`", saved.id, self.spec.id));
        }
        if !saved.wrappers.is_empty() {
            return refuse("it holds the state of a wrapper that is not there".into());
        }
        if saved.slots.len() != self.slots.len() || !saved.batch.fits(self.slots.len(), self.observation_len) {
            return refuse(format!("it does not fit {} environments", self.slots.len()));
        }
        let states: Result<Vec<E::State>, _> =
            saved.slots.iter().map(|slot| E::State::deserialize(&slot.state)).collect();
        let states = match states {
            Ok(states) => states,
            Err(error) => return refuse(error.to_string()),
        };
        for ((slot, saved), state) in self.slots.iter_mut().zip(&saved.slots).zip(states) {
            slot.env.set_state(state);
            slot.progress = saved.progress.clone();
        }
        self.batch.clone_from(&saved.batch);
        self.autoreset = saved.autoreset;
        self.failed = self.slots.iter().any(|slot| slot.needs_reset(Autoreset::SameStep));
        Ok(())
    }
}

/// The first environment that failed, and how.
type FirstFault = Option<(usize, Fault)>;

/// Halves the batch until a task is small enough to be stepped in one go.
fn step_in_parallel<E: Env>(slots: &mut [Slot<E>], rows: Rows<'_>, actions: &Actions<'_>, rules: Rules) -> FirstFault {
    if slots.len() <= ENVS_PER_TASK {
        return step_one_by_one(slots, rows, actions, rules);
    }
    let tasks = slots.len().div_ceil(ENVS_PER_TASK);
    let middle = tasks / 2 * ENVS_PER_TASK;
    let (left, right) = slots.split_at_mut(middle);
    let (left_rows, right_rows) = rows.split_at(middle);
    let (left, right) = rayon::join(
        || step_in_parallel(left, left_rows, actions, rules),
        || step_in_parallel(right, right_rows, actions, rules),
    );
    left.or(right)
}

/// Steps each environment, those after one that fails too.
fn step_one_by_one<E: Env>(
    slots: &mut [Slot<E>],
    mut rows: Rows<'_>,
    actions: &Actions<'_>,
    rules: Rules,
) -> FirstFault {
    let (mut i, mut first) = (0, None);
    while i < slots.len() {
        // A panic leaves only the environment that panicked in an unknown state, and that one is marked as failed.
        let run = catch_unwind(AssertUnwindSafe(|| {
            while i < slots.len() {
                slots[i].step(&mut rows, i, actions, rules)?;
                i += 1;
            }
            Ok(())
        }));
        let fault = match run {
            Ok(Ok(())) => break,
            Ok(Err(fault)) => fault,
            Err(payload) => Fault::Panic { message: panic_message(&*payload) },
        };
        slots[i].fail();
        first = first.or(Some((rows.first + i, fault)));
        i += 1;
    }
    first
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message").into()
}
