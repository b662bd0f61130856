//! Saving and loading of a collector.

use burn::tensor::{DType, Tensor, TensorData};
use burn_pg_envs::{SavedEnvs, wrapper::EpisodeStats};
use serde::{Deserialize, Serialize};

use super::Collector;
use crate::{
    distribution::ActionStream,
    source::{RecurrentState, Rollout, ValueNormalizer},
    storage::{
        Misfit,
        tensors::{Tensors, check_fit, read},
    },
};

/// Everything that the next rollouts of a collector depend on, except tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedCollector {
    pub env_steps: u64,
    episodes: EpisodeStats,
    streams: Vec<ActionStream>,
    /// Number of restarts of environments, each with a new stream.
    restarts: u32,
    /// True if the last rollout failed.
    failed: bool,
    /// The recurrent states; `None` before the first rollout.
    state: Option<SavedState>,
    /// The normaliser of the values, if the source has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<ValueNormalizer>,
    envs: SavedEnvs,
}

/// The saved part of recurrent states, except tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SavedState {
    /// True for environments in which the next step begins an episode. Shape `[N]`.
    begins: Vec<bool>,
    /// True for steps before the next rollout that began an episode. Shape `[K, N]`.
    begins_before: Vec<bool>,
}

/// The recurrent states after the last rollout. Shape `[N, M]`.
const STATE: &str = "state";
/// The recurrent states at the starts of burn-ins before the next rollout. Shape `[J, N, M]`.
const STARTS: &str = "starts";
/// Observations before the next rollout. Shape `[K, N, D]`.
const BEFORE: &str = "before";

impl Collector {
    /// Returns everything that the next rollouts depend on.
    pub(crate) fn save(&self) -> Result<(SavedCollector, Tensors), Misfit> {
        let mut tensors = Tensors::new();
        let state = self.recurrent.as_ref().map(|recurrent| -> Result<SavedState, Misfit> {
            let mut begins_before = Vec::new();
            if let (Some(state), Some(history)) = (&recurrent.state, &self.rollout.history) {
                let mut history = history.clone();
                // The steps of a failed rollout are lost, so the next rollout does not begin with them.
                if self.is_complete {
                    history.begin_next(self.rollout.num_envs, &self.rollout.observations, &self.rollout.begins);
                }
                let flat = |values: Vec<f32>| TensorData::new(values.clone(), [values.len()]);
                tensors.insert(STATE.into(), read(state)?);
                tensors.insert(STARTS.into(), flat(history.states));
                tensors.insert(BEFORE.into(), flat(history.observations_before.flat().into_owned()));
                begins_before = history.begins_before;
            }
            Ok(SavedState { begins: recurrent.begins.clone(), begins_before })
        });
        let saved = SavedCollector {
            env_steps: self.env_steps,
            episodes: self.episodes.clone(),
            streams: self.streams.clone(),
            restarts: self.restarts,
            failed: !self.is_complete,
            state: state.transpose()?,
            values: None,
            envs: self.envs.save()?,
        };
        Ok((saved, tensors))
    }

    /// Goes on after `env_steps` steps of environments on a GPU, with new episodes.
    #[cfg(feature = "cube")]
    pub(crate) fn go_on(&mut self, env_steps: u64, episodes: EpisodeStats) -> Result<(), Misfit> {
        (self.env_steps, self.episodes) = (env_steps, episodes);
        self.envs.reset(crate::source::streams::episodes_seed(self.seed, env_steps, self.restarts))?;
        Ok(())
    }

    /// Restores the state that [`save`](Self::save) returned, for a recurrent state of `state_len` elements. On error,
    /// nothing has changed, except the recurrent states and steps with which the next rollout begins.
    pub(crate) fn load(&mut self, saved: SavedCollector, tensors: Tensors, state_len: usize) -> Result<(), Misfit> {
        let num_envs = self.envs.num_envs();
        check("action streams", saved.streams.len(), num_envs)?;
        for (what, value, end) in
            [("environment steps", saved.env_steps, 1 << 53), ("restarts", saved.restarts.into(), 1 << 31)]
        {
            if value >= end {
                return Err(Misfit::Counter { what, value });
            }
        }
        let mut rollout = Rollout::of_spec(num_envs, self.envs.spec());
        let recurrent = match &saved.state {
            None => {
                check_fit(&tensors, &Tensors::new())?;
                None
            }
            Some(state) => {
                self.begin(state_len);
                rollout.history.clone_from(&self.rollout.history);
                Some(self.recurrent_state_of(state, tensors, &mut rollout)?)
            }
        };
        let begins_anew = saved.envs.begins_anew();
        self.envs.load(&saved.envs)?;
        self.envs.checked_batch()?;
        let SavedCollector { env_steps, episodes, streams, restarts, failed, .. } = saved;
        (self.env_steps, self.episodes, self.streams, self.restarts) = (env_steps, episodes, streams, restarts);
        // An environment that has failed must be reset, even if `saved` says that the rollout did not fail; and the
        // rest of the state belongs to the old episodes of environments that begin new ones.
        let failed = failed || begins_anew || self.envs.batch().valid.contains(&false);
        (self.is_complete, self.recurrent, self.rollout) = (!failed, recurrent, rollout);
        self.blocks.clear();
        self.ended.clear();
        Ok(())
    }

    /// Returns the saved recurrent state, and restores the history of `rollout`.
    fn recurrent_state_of(
        &self,
        saved: &SavedState,
        mut tensors: Tensors,
        rollout: &mut Rollout,
    ) -> Result<RecurrentState, Misfit> {
        let (num_envs, fresh) =
            (rollout.num_envs, self.recurrent.as_ref().expect("the recurrent state was just created"));
        check("recurrent states", saved.begins.len(), num_envs)?;
        let (Some(state), Some(history)) = (&fresh.state, &mut rollout.history) else {
            check_fit(&tensors, &Tensors::new())?;
            check("recurrent states", saved.begins_before.len(), 0)?;
            return Ok(RecurrentState { state: None, begins: saved.begins.clone() });
        };
        let flat = |values: &[f32]| TensorData::new(values.to_vec(), [values.len()]);
        let needed = [
            (STATE, read(state)?),
            (STARTS, flat(&history.states)),
            (BEFORE, flat(&history.observations_before.flat())),
        ];
        check_fit(&tensors, &needed.map(|(name, data)| (name.to_owned(), data)).into())?;
        check("recurrent states", saved.begins_before.len(), history.begins_before.len())?;
        let mut take = |name| tensors.remove(name).expect("every name was checked");
        let values =
            |data: TensorData| data.convert_dtype(DType::F32).try_into_vec().expect("they were converted to f32");
        let state = Tensor::from_data(take(STATE), (&state.device(), state.dtype()));
        history.states = values(take(STARTS));
        history.observations_before.clear();
        history.observations_before.extend(&values(take(BEFORE)));
        history.begins_before.clone_from(&saved.begins_before);
        Ok(RecurrentState { state: Some(state), begins: saved.begins.clone() })
    }
}

pub(super) fn check(what: &'static str, found: usize, expected: usize) -> Result<(), Misfit> {
    if found == expected { Ok(()) } else { Err(Misfit::Count { what, found, expected }) }
}
