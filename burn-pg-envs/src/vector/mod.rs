//! Many copies of one environment, stepped as one batch.

mod batch;
mod block;
mod parallel;
mod saved;
mod slot;
mod vec_env;
mod workload;

use serde::{Deserialize, Serialize};

use crate::{Actions, EnvError, EnvSpec, normalizer::ObservationNormalizer};

pub use batch::StepBatch;
pub use block::{EnvBlock, StepView, WholeBatch};
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

/// A batch of environments behind one interface, whatever their action type.
pub trait VectorEnv: Send {
    /// What is known of each of the environments.
    fn spec(&self) -> &EnvSpec;

    /// Number of environments, N.
    fn num_envs(&self) -> usize;

    /// What the last reset or step produced.
    fn batch(&self) -> &StepBatch;

    /// What observations are normalised with, if a wrapper does that: a policy that was trained on them needs it.
    fn observation_normalizer(&self) -> Option<&ObservationNormalizer> {
        None
    }

    /// Chooses what happens at the end of an episode, from the next step on. An episode that has ended under another mode and
    /// still awaits its reset gets it in place of that step, unless the new mode is to do it by hand.
    fn set_autoreset(&mut self, autoreset: Autoreset);

    /// Puts another time limit in place of that of the specification, or none.
    fn set_time_limit(&mut self, steps: Option<u32>);

    /// Starts all episodes anew. Environment `i` is seeded with `seed + i` (wrapping), as Gymnasium does.
    ///
    /// # Errors
    /// [`EnvError::Failed`] if an environment panics or observes numbers that are not finite; the others have been reset.
    fn reset(&mut self, seed: u64) -> Result<&StepBatch, EnvError>;

    /// Starts all episodes anew, with a seed for each environment.
    ///
    /// # Errors
    /// [`EnvError::MaskLen`] if there are not N seeds; [`EnvError::Failed`] as in [`reset`](Self::reset).
    fn reset_each(&mut self, seeds: &[u64]) -> Result<&StepBatch, EnvError>;

    /// Starts new episodes where `mask` (of length N) says so, each in the stream of its environment as it is.
    ///
    /// # Errors
    /// [`EnvError::MaskLen`] if there are not N flags; [`EnvError::Failed`] as in [`reset`](Self::reset).
    fn reset_where(&mut self, mask: &[bool]) -> Result<&StepBatch, EnvError>;

    /// Starts a new episode in environment `env`, in the stream of `seed`: with the old one, what made it fail might make it fail
    /// again.
    ///
    /// # Errors
    /// [`EnvError::Failed`] as in [`reset`](Self::reset).
    ///
    /// # Panics
    /// If there is no such environment.
    fn restart(&mut self, env: usize, seed: u64) -> Result<&StepBatch, EnvError>;

    /// Takes one action in each environment.
    ///
    /// # Errors
    /// If the actions do not fit the action space or the number of environments, or an environment must be reset first;
    /// nothing has been stepped then. [`EnvError::Failed`] if an environment panics or produces numbers that are not
    /// finite; the others have been stepped, and it must be reset.
    fn step(&mut self, actions: Actions<'_>) -> Result<&StepBatch, EnvError>;

    /// The environments in blocks of `size`, at least 1 (the last may be smaller), each to be stepped by itself: what comes of
    /// it is what would have come of stepping all together. None if they have to be stepped together, as they do for
    /// statistics over all of them. Default: none.
    ///
    /// # Panics
    /// If `size` is 0.
    fn blocks(&mut self, _size: usize) -> Option<Vec<Box<dyn EnvBlock + '_>>> {
        None
    }

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
    delegate::delegate! {
        to (**self) {
            fn spec(&self) -> &EnvSpec;
            fn num_envs(&self) -> usize;
            fn batch(&self) -> &StepBatch;
            fn observation_normalizer(&self) -> Option<&ObservationNormalizer>;
            fn set_autoreset(&mut self, autoreset: Autoreset);
            fn set_time_limit(&mut self, steps: Option<u32>);
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
