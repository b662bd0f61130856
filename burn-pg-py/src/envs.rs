//! Environments that are built in, or that worker processes step.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use burn_pg::envs::{ActionBuffer, Autoreset, EnvError, EnvOptions, StepBatch, VectorEnv, is_of_python, make_with};
use numpy::PyArray1;
use pyo3::{
    prelude::*,
    sync::MutexExt,
    types::{PyDict, PyTuple},
};

use crate::{
    array::{column, read_actions, rows},
    error::{Refused, Result},
    thread::attended,
};

/// A batch of environments.
#[pyclass(frozen, module = "burn_pg")]
pub struct Envs {
    inner: Arc<Mutex<Inner>>,
    /// True if a step may take so long that it should be possible to interrupt it.
    may_take_long: bool,
}

struct Inner {
    envs: Box<dyn VectorEnv>,
    actions: ActionBuffer,
    autoreset: Autoreset,
    is_new: bool,
}

impl Envs {
    /// Gives up the interpreter while it waits, because whoever has the lock may need it.
    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, Inner> {
        self.inner.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `work` with the environments. If it may take long, signals are handled meanwhile.
    fn with_envs(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Inner) -> std::result::Result<(), EnvError> + Send + 'static,
    ) -> PyResult<()> {
        let inner = Arc::clone(&self.inner);
        let work = move || {
            let inner = &mut *inner.lock().unwrap_or_else(PoisonError::into_inner);
            work(inner).map_err(Refused::from)
        };
        if self.may_take_long {
            return Ok(attended(py, work)??);
        }
        Ok(py.detach(work)?)
    }
}

#[pymethods]
impl Envs {
    /// Makes `num_envs` environments called `name`, with `options` as JSON.
    #[new]
    fn new(py: Python<'_>, name: String, num_envs: usize, options: &str, autoreset: &str) -> PyResult<Self> {
        let (options, autoreset) = settings(options, autoreset)?;
        let may_take_long = is_of_python(&name);
        let make = move || {
            let mut envs = make_with(&name, num_envs, &options)?;
            envs.set_autoreset(autoreset)?;
            let actions = ActionBuffer::new(&envs.spec().action_space);
            Ok(Inner { envs, actions, autoreset, is_new: true })
        };
        let inner = if may_take_long { attended(py, make)?? } else { py.detach(make)? };
        Ok(Self { inner: Arc::new(Mutex::new(inner)), may_take_long })
    }

    /// The specification, as JSON.
    fn spec(&self, py: Python<'_>) -> Result<String> {
        Ok(serde_json::to_string(self.lock(py).envs.spec())?)
    }

    /// Starts new episodes: in each environment, with its seed, or with `seed` plus its index, or without a seed, or only
    /// where `mask` is true. Returns the observations and an info.
    #[pyo3(signature = (seed=None, seeds=None, mask=None))]
    fn reset<'py>(
        &self,
        py: Python<'py>,
        seed: Option<u64>,
        seeds: Option<Vec<u64>>,
        mask: Option<Vec<bool>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        self.with_envs(py, move |inner| {
            inner.is_new = false;
            let all = vec![true; inner.envs.num_envs()];
            match (seed, seeds, mask) {
                (_, Some(seeds), _) => inner.envs.reset_each(&seeds).map(|_| ()),
                (Some(seed), ..) => inner.envs.reset(seed).map(|_| ()),
                (.., Some(mask)) => inner.envs.reset_where(&mask).map(|_| ()),
                _ => inner.envs.reset_where(&all).map(|_| ()),
            }
        })?;
        let inner = &*self.lock(py);
        let batch = inner.envs.batch();
        let info = PyDict::new(py);
        add_masks(py, &info, batch)?;
        let observations = rows(py, &batch.observations, batch.rewards.len());
        PyTuple::new(py, [observations, info.into_any()])
    }

    /// Takes the same step `count` times without a return to Python, and returns the seconds that it took. Only for
    /// `benches/peers/vector_env.py`.
    fn seconds_of_steps(&self, py: Python<'_>, actions: &Bound<'_, PyAny>, count: usize) -> PyResult<f64> {
        let Inner { envs, actions: buffer, .. } = &mut *self.lock(py);
        read_actions(actions, buffer)?;
        let taken = py.detach(move || {
            let start = Instant::now();
            (0..count).try_for_each(|_| envs.step(buffer.as_actions()).map(|_| ()))?;
            Ok::<_, Refused>(start.elapsed().as_secs_f64())
        });
        Ok(taken?)
    }

    /// Takes a step in each environment. Returns observations, rewards, the two flags and an info, as Gymnasium does.
    fn step<'py>(&self, py: Python<'py>, actions: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
        {
            let inner = &mut *self.lock(py);
            read_actions(actions, &mut inner.actions)?;
            if inner.is_new {
                return Err(Refused("call `reset` before `step`".into()).into());
            }
        }
        self.with_envs(py, |Inner { envs, actions, .. }| envs.step(actions.as_actions()).map(|_| ()))?;
        let inner = &*self.lock(py);
        let batch = inner.envs.batch();
        let n = batch.rewards.len();
        let info = PyDict::new(py);
        add_masks(py, &info, batch)?;
        let ended: Vec<bool> = batch.terminated.iter().zip(&batch.truncated).map(|(&a, &b)| a | b).collect();
        if ended.contains(&true) {
            let ended = column(py, &ended);
            if inner.autoreset == Autoreset::SameStep {
                info.set_item("final_obs", rows(py, &batch.final_observations, n))?;
                info.set_item("_final_obs", &ended)?;
            }
            let lengths = batch.episode_lengths.iter().map(|&length| i64::from(length));
            info.set_item("episode_return", column(py, &batch.episode_returns))?;
            info.set_item("episode_length", PyArray1::from_iter(py, lengths))?;
            info.set_item("_episode_return", &ended)?;
            info.set_item("_episode_length", &ended)?;
        }
        let [rewards, terminated, truncated] =
            [column(py, &batch.rewards), column(py, &batch.terminated), column(py, &batch.truncated)];
        PyTuple::new(py, [rows(py, &batch.observations, n), rewards, terminated, truncated, info.into_any()])
    }
}

/// Reads options and the autoreset mode, which are given as JSON and by name.
fn settings(options: &str, autoreset: &str) -> Result<(EnvOptions, Autoreset)> {
    Ok((serde_json::from_str(options)?, serde_json::from_value(autoreset.into())?))
}

/// Adds which actions are possible.
fn add_masks(py: Python<'_>, info: &Bound<'_, PyDict>, batch: &StepBatch) -> PyResult<()> {
    match batch.action_masks.is_empty() {
        true => Ok(()),
        false => info.set_item("action_mask", rows(py, &batch.action_masks, batch.rewards.len())),
    }
}
