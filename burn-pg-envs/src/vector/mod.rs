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

use crate::{Actions, EnvError, EnvSpec, normalizer::ObservationNormalizer, render::Scene};

pub use batch::StepBatch;
pub use block::{EnvBlock, StepView, WholeBatch, check_blocks};
pub use saved::SavedEnvs;
pub use vec_env::VecEnv;

/// What happens to an environment whose episode has ended. The modes are Gymnasium's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Autoreset {
    /// It is reset in the same step: `observations` then holds the first observation of the next episode, and
    /// `final_observations` the last observation of the episode that ended.
    #[default]
    SameStep,
    /// It is reset in place of the next step, whose row is then not [`valid`](StepBatch::valid).
    NextStep,
    /// It is not reset. The caller must call [`VectorEnv::reset_where`] before the next step.
    Disabled,
}

/// Takes the numbers of one batch of environments, and returns those of all batches in one order; `None` if that is not
/// possible.
pub type Gather<'a> = dyn FnMut(&[f64]) -> Option<Vec<Vec<f64>>> + 'a;

/// A batch of environments behind one interface: a [`VecEnv`], or a simulator of your own.
///
/// Five methods are required, and enough to train a policy; [`StepBatch::record`] and [`StepBatch::begin`] do the
/// bookkeeping. The other methods are optional, and each says what needs it. By default they return
/// [`EnvError::Unsupported`] or the simplest valid answer. [`check_env`](crate::check_env) checks the whole contract in
/// a test.
///
/// The contract: an environment whose episode ends is reset in the same step ([`Autoreset::SameStep`]; other modes may be
/// there too, and be the first); the same seeds followed by the same actions give the same batches, to the bit; actions
/// are checked ([`Actions::check`]) before anything is stepped.
pub trait VectorEnv: Send {
    /// Returns the specification that all environments share. Only [`set_time_limit`](Self::set_time_limit) and
    /// [`load`](Self::load) change it.
    fn spec(&self) -> &EnvSpec;

    /// Returns the number of environments, N.
    fn num_envs(&self) -> usize;

    /// Returns what the last reset or step produced; before the first reset, a batch of the right lengths.
    fn batch(&self) -> &StepBatch;

    /// Starts a new episode in every environment, with one seed for each.
    ///
    /// # Errors
    /// [`EnvError::MaskLen`] if there are not N seeds; [`EnvError::Failed`] if an environment panics or its observation
    /// is not finite; the others have been reset.
    fn reset_each(&mut self, seeds: &[u64]) -> Result<&StepBatch, EnvError>;

    /// Takes one action in each environment.
    ///
    /// # Errors
    /// If the actions do not fit the action space or the number of environments, or an environment must be reset first;
    /// nothing has been stepped then. [`EnvError::Failed`] if an environment panics, or its observation or reward is
    /// not finite; the others have been stepped, and the one that failed must be reset.
    fn step(&mut self, actions: Actions<'_>) -> Result<&StepBatch, EnvError>;

    /// Starts a new episode in every environment. Environment `i` is seeded with `seed + i` (wrapping), as in
    /// Gymnasium.
    ///
    /// # Errors
    /// As [`reset_each`](Self::reset_each).
    fn reset(&mut self, seed: u64) -> Result<&StepBatch, EnvError> {
        let seeds: Vec<u64> = (0..self.num_envs() as u64).map(|env| seed.wrapping_add(env)).collect();
        self.reset_each(&seeds)
    }

    /// Returns the batch after checking that its vectors have the lengths that the specification and the number of
    /// environments need. Use it instead of [`batch`](Self::batch) for implementations outside this crate.
    ///
    /// # Errors
    /// [`EnvError::BatchLen`] names the first vector that is too short or too long.
    fn checked_batch(&self) -> Result<&StepBatch, EnvError> {
        self.batch().check(self.spec(), self.num_envs())?;
        Ok(self.batch())
    }

    /// Saves everything that later steps depend on, also in the middle of episodes. Optional: checkpoints need it.
    ///
    /// # Errors
    /// [`EnvError::Unsupported`] by default; [`EnvError::State`] if the state of an environment cannot be written as
    /// JSON.
    fn save(&self) -> Result<SavedEnvs, EnvError> {
        Err(unsupported(self.spec(), "save", "a checkpoint"))
    }

    /// Restores the state that [`save`](Self::save) returned. Optional: resuming a run needs it.
    ///
    /// # Errors
    /// [`EnvError::Unsupported`] by default; [`EnvError::State`] if the state belongs to other environments, and then
    /// nothing has changed.
    fn load(&mut self, _saved: &SavedEnvs) -> Result<(), EnvError> {
        Err(unsupported(self.spec(), "load", "a run that is resumed"))
    }

    /// Starts new episodes in the environments whose flag in `mask` (of length N) is true. Each environment continues
    /// its random stream. Optional: without it, rollouts of whole episodes begin with new seeds.
    ///
    /// # Errors
    /// [`EnvError::Unsupported`] by default; [`EnvError::MaskLen`] if there are not N flags; [`EnvError::Failed`] as in
    /// [`reset_each`](Self::reset_each).
    fn reset_where(&mut self, _mask: &[bool]) -> Result<&StepBatch, EnvError> {
        Err(unsupported(self.spec(), "reset_where", "a reset of some environments"))
    }

    /// Starts a new episode in environment `env`, with the random stream of `seed`; the old stream might lead to the
    /// same failure again. Optional: without it, all environments are reset when a run continues after one has failed.
    ///
    /// # Errors
    /// [`EnvError::Unsupported`] by default; [`EnvError::Failed`] as in [`reset_each`](Self::reset_each).
    ///
    /// # Panics
    /// If there is no environment `env`.
    fn restart(&mut self, _env: usize, _seed: u64) -> Result<&StepBatch, EnvError> {
        Err(unsupported(self.spec(), "restart", "a restart of one environment"))
    }

    /// Changes the time limit of the specification; `None` removes it. Optional.
    ///
    /// # Errors
    /// [`EnvError::Unsupported`] by default.
    fn set_time_limit(&mut self, _steps: Option<u32>) -> Result<(), EnvError> {
        Err(unsupported(self.spec(), "set_time_limit", "another time limit"))
    }

    /// Sets what happens at the end of an episode, from the next step on. An environment that still awaits its reset
    /// from another mode is reset in place of that step, except under [`Autoreset::Disabled`]. Optional.
    /// Training uses the mode that it finds, and does not learn from the rows that are not
    /// [`valid`](StepBatch::valid); evaluation and normalised observations need [`Autoreset::SameStep`].
    ///
    /// # Errors
    /// [`EnvError::Unsupported`] for other modes by default.
    fn set_autoreset(&mut self, autoreset: Autoreset) -> Result<(), EnvError> {
        match autoreset {
            Autoreset::SameStep => Ok(()),
            _ => Err(unsupported(self.spec(), "set_autoreset", "another mode than `SameStep`")),
        }
    }

    /// Splits the environments into blocks of `size`, at least 1 (the last block may be smaller). Blocks are stepped
    /// independently, with the same results as stepping all environments together. `None` if the environments must be
    /// stepped together, for example for statistics over all of them. Optional: with blocks, several threads collect a
    /// rollout. Default: `None`.
    ///
    /// # Panics
    /// If `size` is 0.
    fn blocks(&mut self, _size: usize) -> Option<Vec<Box<dyn EnvBlock + '_>>> {
        None
    }

    /// Returns the normaliser of the observations, if a wrapper normalises them: a policy trained on them needs it.
    fn observation_normalizer(&self) -> Option<&ObservationNormalizer> {
        None
    }

    /// Combines statistics over all steps since the last call, such as those that normalise observations, with those of
    /// other batches. Default: there are none.
    fn exchange_statistics(&mut self, _gather: &mut Gather<'_>) {}

    /// Returns a picture of environment `env` as it is now, after any reset; `None` if there is no picture. Optional:
    /// `watch` needs it. Default: `None`.
    ///
    /// # Panics
    /// If there is no environment `env`.
    fn render(&self, _env: usize) -> Option<Scene> {
        None
    }

    /// Returns why the last [`render`](Self::render) gave no picture, if it failed. Default: `None`.
    fn render_error(&self) -> Option<String> {
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
            fn render(&self, env: usize) -> Option<Scene>;
            fn render_error(&self) -> Option<String>;
            fn set_autoreset(&mut self, autoreset: Autoreset) -> Result<(), EnvError>;
            fn set_time_limit(&mut self, steps: Option<u32>) -> Result<(), EnvError>;
            fn reset(&mut self, seed: u64) -> Result<&StepBatch, EnvError>;
            fn reset_each(&mut self, seeds: &[u64]) -> Result<&StepBatch, EnvError>;
            fn reset_where(&mut self, mask: &[bool]) -> Result<&StepBatch, EnvError>;
            fn restart(&mut self, env: usize, seed: u64) -> Result<&StepBatch, EnvError>;
            fn step(&mut self, actions: Actions<'_>) -> Result<&StepBatch, EnvError>;
            fn exchange_statistics(&mut self, gather: &mut Gather<'_>);
            fn blocks(&mut self, size: usize) -> Option<Vec<Box<dyn EnvBlock + '_>>>;
            fn save(&self) -> Result<SavedEnvs, EnvError>;
            fn load(&mut self, saved: &SavedEnvs) -> Result<(), EnvError>;
        }
    }
}
