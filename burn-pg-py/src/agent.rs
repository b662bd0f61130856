//! Agents.

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use burn_pg::{
    Decision, DeviceChoice,
    agent::{
        Player,
        export::{self, Format},
    },
    device, evaluate_episodes,
    kernel::with_threads,
};
use pyo3::{prelude::*, sync::MutexExt};

use crate::{
    array::{actions, rows, values},
    error::{Refused, Result},
    host::evaluation_envs,
    thread::attended,
};

/// A trained policy with everything it needs to act.
#[pyclass(frozen, module = "burn_pg")]
pub struct Agent {
    inner: Mutex<Inner>,
}

struct Inner {
    agent: burn_pg::Agent,
    /// Draws actions for one number of observations.
    player: Option<(usize, Player)>,
    /// The seed of the next player, if no other is given.
    next_seed: u64,
}

impl Agent {
    pub fn new(agent: burn_pg::Agent) -> Self {
        Self { inner: Mutex::new(Inner { agent, player: None, next_seed: 0 }) }
    }

    /// Gives up the interpreter while it waits, because whoever has the lock may need it.
    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, Inner> {
        self.inner.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Agent {
    /// Loads the agent of a run: that of its end, or of the checkpoint `at`.
    #[staticmethod]
    #[pyo3(signature = (run, at=None, device="auto"))]
    #[allow(clippy::needless_pass_by_value)] // as Python gives it
    fn load(py: Python<'_>, run: PathBuf, at: Option<&str>, device: &str) -> Result<Self> {
        py.detach(|| {
            let choice: DeviceChoice = device.parse().map_err(|error| Refused(format!("{error}")))?;
            let device = device::open(choice)?.device;
            Ok(Self::new(burn_pg_cli::load(&run, at, &device).map_err(Refused)?))
        })
    }

    /// The specification of the environment, as JSON.
    fn spec(&self, py: Python<'_>) -> Result<String> {
        Ok(serde_json::to_string(self.lock(py).agent.spec())?)
    }

    /// The parts of an observation that the actor sees; empty if observations have no parts.
    fn inputs(&self, py: Python<'_>) -> Vec<String> {
        self.lock(py).agent.inputs().into_iter().map(Into::into).collect()
    }

    /// The length of the recurrent state, or 0.
    fn state_len(&self, py: Python<'_>) -> usize {
        self.lock(py).agent.state_len()
    }

    /// Returns the most probable actions for rows of observations, and the recurrent state.
    #[pyo3(signature = (observations, masks=None, state=None))]
    fn decide<'py>(
        &self,
        py: Python<'py>,
        observations: &Bound<'py, PyAny>,
        masks: Option<&Bound<'py, PyAny>>,
        state: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyAny>, Option<Bound<'py, PyAny>>)> {
        let (n, observations) = (observations.len()?, values::<f32>(observations)?);
        let masks = masks.map(values::<bool>).transpose()?.unwrap_or_default();
        let state = state.map(values::<f32>).transpose()?;
        // An agent is not for several threads at once.
        let agent = &mut self.lock(py).agent;
        let decided = py.detach(move || agent.decide(&observations, &masks, state.as_deref()));
        let Decision { actions: chosen, state, .. } = decided.map_err(Refused::from)?;
        Ok((actions(py, chosen.as_actions(), n), state.map(|state| rows(py, &state, n))))
    }

    /// Returns actions that are drawn from the policy. A recurrent policy continues its own state.
    #[pyo3(signature = (observations, masks=None, seed=None))]
    fn sample<'py>(
        &self,
        py: Python<'py>,
        observations: &Bound<'py, PyAny>,
        masks: Option<&Bound<'py, PyAny>>,
        seed: Option<u64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (n, observations) = (observations.len()?, values::<f32>(observations)?);
        let masks = masks.map(values::<bool>).transpose()?.unwrap_or_default();
        let Inner { agent, player, next_seed } = &mut *self.lock(py);
        if seed.is_some() || player.as_ref().is_none_or(|(envs, _)| *envs != n) {
            let seed = seed.unwrap_or(*next_seed);
            *player = Some((n, agent.player(n).stochastic(seed)));
            *next_seed = seed.wrapping_add(1);
        }
        let (_, player) = player.as_mut().expect("there is a player now");
        let chosen = py.detach(|| player.act(&observations, &masks).cloned()).map_err(Refused::from)?;
        Ok(actions(py, chosen.as_actions(), n))
    }

    /// Plays episodes in new environments and returns the return and the length of each.
    #[pyo3(signature = (episodes, seed, stochastic, threads=0))]
    fn evaluate(
        &self,
        py: Python<'_>,
        episodes: usize,
        seed: u64,
        stochastic: bool,
        threads: usize,
    ) -> PyResult<(Vec<f64>, Vec<u32>)> {
        let agent = self.lock(py).agent.clone();
        attended(py, move || {
            let envs = agent.make_envs(evaluation_envs(&agent.spec().id, episodes))?;
            let play = move || evaluate_episodes(&agent, envs, episodes, seed, stochastic, |_| {});
            let evaluation = with_threads(threads, play)?;
            Ok((evaluation.returns, evaluation.lengths))
        })?
        .map_err(PyErr::from)
    }

    /// Writes the policy to a file, as `onnx` or `safetensors`.
    #[allow(clippy::needless_pass_by_value)] // as Python gives it
    fn export(&self, py: Python<'_>, path: PathBuf, format: &str, replace: bool) -> Result<()> {
        let agent = self.lock(py).agent.clone();
        py.detach(move || {
            let format: Format = format.parse().map_err(|error| Refused(format!("{error}")))?;
            let bytes = export::bytes(&agent, format)?;
            Ok(export::write(&bytes, &path, replace)?)
        })
    }
}
