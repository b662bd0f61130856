//! A collector as plain data.

use burn::tensor::{DType, Tensor, TensorData};
use burn_pg_envs::{SavedEnvs, wrapper::EpisodeStats};
use serde::{Deserialize, Serialize};

use super::Collector;
use crate::{
    distribution::ActionStream,
    source::{Recall, Rollout},
    storage::{
        Misfit,
        tensors::{Tensors, check_fit, read},
    },
};

/// Everything that the next rollouts of a collector depend on, but for tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedCollector {
    pub env_steps: u64,
    episodes: EpisodeStats,
    streams: Vec<ActionStream>,
    /// Environments that were given new streams.
    restarts: u32,
    /// Has the last rollout failed?
    failed: bool,
    /// None before the first rollout.
    memory: Option<SavedMemory>,
    envs: SavedEnvs,
}

/// What there is to save of memories besides their numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SavedMemory {
    /// Environments in which the next step begins an episode. Shape `[N]`.
    begins: Vec<bool>,
    /// Steps before the next rollout that began one. Shape `[K, N]`.
    begins_before: Vec<bool>,
}

/// What the policy remembers. Shape `[N, M]`.
const MEMORY: &str = "memory";
/// What it remembered at the joints before the next rollout. Shape `[J, N, M]`.
const JOINTS: &str = "joints";
/// Observations before the next rollout. Shape `[K, N, D]`.
const BEFORE: &str = "before";

impl Collector {
    /// Everything that the next rollouts depend on.
    pub(crate) fn save(&self) -> Result<(SavedCollector, Tensors), Misfit> {
        let mut tensors = Tensors::new();
        let memory = self.recall.as_ref().map(|recall| -> Result<SavedMemory, Misfit> {
            let mut begins_before = Vec::new();
            if let (Some(memory), Some(history)) = (recall.memory(), &self.rollout.history) {
                let mut history = history.clone();
                // A rollout that failed leaves nothing that another begins with.
                if self.whole {
                    history.turn(&self.rollout);
                }
                let flat = |numbers: Vec<f32>| TensorData::new(numbers.clone(), [numbers.len()]);
                tensors.insert(MEMORY.into(), read(memory)?);
                tensors.insert(JOINTS.into(), flat(history.memories));
                tensors.insert(BEFORE.into(), flat(history.observations_before.flat().into_owned()));
                begins_before = history.begins_before;
            }
            Ok(SavedMemory { begins: recall.begins().to_vec(), begins_before })
        });
        let saved = SavedCollector {
            env_steps: self.env_steps,
            episodes: self.episodes.clone(),
            streams: self.streams.clone(),
            restarts: self.restarts,
            failed: !self.whole,
            memory: memory.transpose()?,
            envs: self.envs.save()?,
        };
        Ok((saved, tensors))
    }

    /// Goes on where [`save`](Self::save) was called, with a policy that remembers `memory_len` numbers. After an error nothing has
    /// changed but what the next rollout begins with.
    pub(crate) fn load(&mut self, saved: SavedCollector, tensors: Tensors, memory_len: usize) -> Result<(), Misfit> {
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
        let recall = match &saved.memory {
            None => {
                check_fit(&tensors, &Tensors::new())?;
                None
            }
            Some(memory) => {
                self.begin(memory_len);
                rollout.history = self.rollout.history.take();
                Some(self.recall_of(memory, tensors, &mut rollout)?)
            }
        };
        self.envs.load(&saved.envs)?;
        self.envs.checked_batch()?;
        let SavedCollector { env_steps, episodes, streams, restarts, failed, .. } = saved;
        (self.env_steps, self.episodes, self.streams, self.restarts) = (env_steps, episodes, streams, restarts);
        // An environment that has failed has to be reset, whatever else is said.
        let failed = failed || self.envs.batch().valid.contains(&false);
        (self.whole, self.recall, self.rollout) = (!failed, recall, rollout);
        self.blocks.clear();
        self.ended.clear();
        Ok(())
    }

    /// What was remembered, and in `rollout` what it begins with.
    fn recall_of(&self, saved: &SavedMemory, mut tensors: Tensors, rollout: &mut Rollout) -> Result<Recall, Misfit> {
        let (num_envs, fresh) = (rollout.num_envs, self.recall.as_ref().expect("it has just been made"));
        check("memories", saved.begins.len(), num_envs)?;
        let (Some(memory), Some(history)) = (fresh.memory(), &mut rollout.history) else {
            check_fit(&tensors, &Tensors::new())?;
            check("memories", saved.begins_before.len(), 0)?;
            return Ok(Recall::from_parts(None, saved.begins.clone()));
        };
        let flat = |numbers: &[f32]| TensorData::new(numbers.to_vec(), [numbers.len()]);
        let needed = [
            (MEMORY, read(memory)?),
            (JOINTS, flat(&history.memories)),
            (BEFORE, flat(&history.observations_before.flat())),
        ];
        check_fit(&tensors, &needed.map(|(name, data)| (name.to_owned(), data)).into())?;
        check("memories", saved.begins_before.len(), history.begins_before.len())?;
        let mut take = |name| tensors.remove(name).expect("every name was checked");
        let numbers = |data: TensorData| data.convert_dtype(DType::F32).try_into_vec().expect("they are in f32");
        let memory = Tensor::from_data(take(MEMORY), (&memory.device(), memory.dtype()));
        history.memories = numbers(take(JOINTS));
        history.observations_before.clear();
        history.observations_before.extend(&numbers(take(BEFORE)));
        history.begins_before.clone_from(&saved.begins_before);
        Ok(Recall::from_parts(Some(memory), saved.begins.clone()))
    }
}

fn check(what: &'static str, found: usize, expected: usize) -> Result<(), Misfit> {
    if found == expected { Ok(()) } else { Err(Misfit::Count { what, found, expected }) }
}
