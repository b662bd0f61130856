//! Many copies of one environment, stepped as one batch.

mod batch;
mod block;
mod lengths;
mod parallel;
mod record;
mod saved;
mod slot;
mod vec_env;
mod workload;

use serde::{Deserialize, Serialize};

use crate::{Actions, EnvError, EnvSpec, normalizer::ObservationNormalizer};

pub use batch::StepBatch;
pub use block::{EnvBlock, StepView, WholeBatch, check_blocks};
pub use saved::SavedEnvs;
pub use vec_env::VecEnv;

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

/// A batch of environments behind one interface, whatever their action type: one [`VecEnv`], or a simulator of your own.
///
/// Five methods are required; [`StepBatch::record`] and [`StepBatch::begin`] keep the books for them. A policy can be
/// trained in environments that have no more than these. The other methods are optional: each says what needs it, and its
/// default is a refusal ([`EnvError::Unsupported`]) or the plainest answer. [`check_env`](crate::check_env) checks the whole
/// contract in a test.
///
/// The contract: an environment whose episode ends is reset in the same step ([`Autoreset::SameStep`]); the same seeds
/// followed by the same actions give the same batches, to the bit; actions are checked ([`Actions::check`]) before anything
/// is stepped.
pub trait VectorEnv: Send {
    /// What is known of each of the environments. Only [`set_time_limit`](Self::set_time_limit) changes it.
    fn spec(&self) -> &EnvSpec;

    /// Number of environments, N.
    fn num_envs(&self) -> usize;

    /// What the last reset or step produced; before the first reset, a batch of the right lengths.
    fn batch(&self) -> &StepBatch;

    /// Starts all episodes anew, with a seed for each environment.
    ///
    /// # Errors
    /// [`EnvError::MaskLen`] if there are not N seeds; [`EnvError::Failed`] if an environment panics or observes numbers that
    /// are not finite; the others have been reset.
    fn reset_each(&mut self, seeds: &[u64]) -> Result<&StepBatch, EnvError>;

    /// Takes one action in each environment.
    ///
    /// # Errors
    /// If the actions do not fit the action space or the number of environments, or an environment must be reset first;
    /// nothing has been stepped then. [`EnvError::Failed`] if an environment panics or produces numbers that are not
    /// finite; the others have been stepped, and it must be reset.
    fn step(&mut self, actions: Actions<'_>) -> Result<&StepBatch, EnvError>;

    /// Starts all episodes anew. Environment `i` is seeded with `seed + i` (wrapping), as Gymnasium does.
    ///
    /// # Errors
    /// As [`reset_each`](Self::reset_each).
    fn reset(&mut self, seed: u64) -> Result<&StepBatch, EnvError> {
        let seeds: Vec<u64> = (0..self.num_envs() as u64).map(|env| seed.wrapping_add(env)).collect();
        self.reset_each(&seeds)
    }

    /// The batch, once its vectors have the lengths that the specification and the number of environments need. Who reads
    /// the batch of environments that may be somebody else's reads it here.
    ///
    /// # Errors
    /// [`EnvError::BatchLen`] names the vector that is too short or too long.
    fn checked_batch(&self) -> Result<&StepBatch, EnvError> {
        self.batch().check(self.spec(), self.num_envs())?;
        Ok(self.batch())
    }

    /// Everything that later steps depend on, mid-episode too. Optional: checkpoints need it.
    ///
    /// # Errors
    /// [`EnvError::Unsupported`] by default; [`EnvError::State`] if the state of an environment cannot be written as JSON.
    fn save(&self) -> Result<SavedEnvs, EnvError> {
        Err(unsupported(self.spec(), "save", "a checkpoint"))
    }

    /// Goes on where [`save`](Self::save) was called. Optional: a run that is resumed needs it.
    ///
    /// # Errors
    /// [`EnvError::Unsupported`] by default; [`EnvError::State`] if it is the state of other environments; nothing has changed
    /// then.
    fn load(&mut self, _saved: &SavedEnvs) -> Result<(), EnvError> {
        Err(unsupported(self.spec(), "load", "a run that is resumed"))
    }

    /// Starts new episodes where `mask` (of length N) says so, each in the stream of its environment as it is. Optional:
    /// without it, rollouts of whole episodes begin with seeds of their own.
    ///
    /// # Errors
    /// [`EnvError::Unsupported`] by default; [`EnvError::MaskLen`] if there are not N flags; [`EnvError::Failed`] as in
    /// [`reset_each`](Self::reset_each).
    fn reset_where(&mut self, _mask: &[bool]) -> Result<&StepBatch, EnvError> {
        Err(unsupported(self.spec(), "reset_where", "a reset of some environments"))
    }

    /// Starts a new episode in environment `env`, in the stream of `seed`: with the old one, what made it fail might make it fail
    /// again. Optional: without it, all environments start anew when a run goes on after one has failed.
    ///
    /// # Errors
    /// [`EnvError::Unsupported`] by default; [`EnvError::Failed`] as in [`reset_each`](Self::reset_each).
    ///
    /// # Panics
    /// If there is no such environment.
    fn restart(&mut self, _env: usize, _seed: u64) -> Result<&StepBatch, EnvError> {
        Err(unsupported(self.spec(), "restart", "a restart of one environment"))
    }

    /// Puts another time limit in place of that of the specification, or none. Optional.
    ///
    /// # Errors
    /// [`EnvError::Unsupported`] by default.
    fn set_time_limit(&mut self, _steps: Option<u32>) -> Result<(), EnvError> {
        Err(unsupported(self.spec(), "set_time_limit", "another time limit"))
    }

    /// Chooses what happens at the end of an episode, from the next step on. An episode that has ended under another mode and
    /// still awaits its reset gets it in place of that step, unless the new mode is to do it by hand. Optional:
    /// [`Autoreset::SameStep`] is the only mode that training uses.
    ///
    /// # Errors
    /// [`EnvError::Unsupported`] for other modes by default.
    fn set_autoreset(&mut self, autoreset: Autoreset) -> Result<(), EnvError> {
        match autoreset {
            Autoreset::SameStep => Ok(()),
            _ => Err(unsupported(self.spec(), "set_autoreset", "another mode than `SameStep`")),
        }
    }

    /// The environments in blocks of `size`, at least 1 (the last may be smaller), each to be stepped by itself: what comes of
    /// it is what would have come of stepping all together. None if they have to be stepped together, as they do for
    /// statistics over all of them. Optional: with blocks, several threads collect a rollout. Default: none.
    ///
    /// # Panics
    /// If `size` is 0.
    fn blocks(&mut self, _size: usize) -> Option<Vec<Box<dyn EnvBlock + '_>>> {
        None
    }

    /// What observations are normalised with, if a wrapper does that: a policy that was trained on them needs it.
    fn observation_normalizer(&self) -> Option<&ObservationNormalizer> {
        None
    }
}

#[cold]
fn unsupported(spec: &EnvSpec, method: &'static str, needed_for: &'static str) -> EnvError {
    EnvError::Unsupported { id: spec.id.clone(), method, needed_for }
}

impl<V: VectorEnv + ?Sized> VectorEnv for Box<V> {
    delegate::delegate! {
        to (**self) {
            fn spec(&self) -> &EnvSpec;
            fn num_envs(&self) -> usize;
            fn batch(&self) -> &StepBatch;
            fn checked_batch(&self) -> Result<&StepBatch, EnvError>;
            fn observation_normalizer(&self) -> Option<&ObservationNormalizer>;
            fn set_autoreset(&mut self, autoreset: Autoreset) -> Result<(), EnvError>;
            fn set_time_limit(&mut self, steps: Option<u32>) -> Result<(), EnvError>;
            fn reset(&mut self, seed: u64) -> Result<&StepBatch, EnvError>;
            fn reset_each(&mut self, seeds: &[u64]) -> Result<&StepBatch, EnvError>;
            fn reset_where(&mut self, mask: &[bool]) -> Result<&StepBatch, EnvError>;
            fn restart(&mut self, env: usize, seed: u64) -> Result<&StepBatch, EnvError>;
            fn step(&mut self, actions: Actions<'_>) -> Result<&StepBatch, EnvError>;
            fn blocks(&mut self, size: usize) -> Option<Vec<Box<dyn EnvBlock + '_>>>;
            fn save(&self) -> Result<SavedEnvs, EnvError>;
            fn load(&mut self, saved: &SavedEnvs) -> Result<(), EnvError>;
        }
    }
}
